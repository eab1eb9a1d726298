/*
 * ops_private.h - what the operations do, by group: ops_*.c.
 */
#ifndef VM_GUEST_OPS_PRIVATE_H
#define VM_GUEST_OPS_PRIVATE_H

#include "lib/guest/ops.h"
#include "lib/guest/tree.h"

typedef int vm_op_apply(const struct vm_op_context *context,
    const struct vm_json *args, struct vm_error *err);

/* ops_files.c */
vm_op_apply vm_op_write, vm_op_append_line, vm_op_upload, vm_op_mkdir,
    vm_op_delete, vm_op_link, vm_op_chmod;

/* ops_system.c */
vm_op_apply vm_op_hostname, vm_op_timezone;

/* ops_users.c */
vm_op_apply vm_op_user, vm_op_root_password, vm_op_ssh_inject;

/* ops_run.c */
vm_op_apply vm_op_run, vm_op_run_command, vm_op_install;

/* ops_firstboot.c */
vm_op_apply vm_op_firstboot, vm_op_firstboot_command;

/* "0644" of args.mode as a number, or `otherwise`. */
int vm_op_mode(const struct vm_json *args, int otherwise);

/* Read the stored file that args names (its "sha256"). */
int vm_op_read_file(const struct vm_op_context *context,
    const struct vm_json *args, size_t max, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

/* Is it a script that a kernel can start?  VM_E_DATA "bad_script". */
int vm_op_check_script(const struct vm_buf *script, struct vm_error *err)
    VM_MUST_CHECK;

#endif
