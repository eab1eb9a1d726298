/*
 * mounts.h - where a guest mounts the VM's volumes: lines of its /etc/fstab.
 *
 * Each is found by its file system's UUID, which no other disk has, and a guest
 * whose volume is missing boots all the same (nofail, fstab(5)).  systemd grows
 * the file system with the volume (x-systemd.growfs, systemd.mount(5)).
 */
#ifndef VM_GUEST_MOUNTS_H
#define VM_GUEST_MOUNTS_H

#include "lib/guest/ops.h"

/* [{"uuid","mount"},...] of the record's volumes: for the digest. */
struct vm_json *vm_mounts_canonical(const struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Make the directories and write the lines, in the place of those that we wrote
 * before, for whatever volumes.  A guest without /etc/fstab is a warning.
 */
int vm_mounts_apply(const struct vm_op_context *context,
    const struct vm_json *record, struct vm_json *warnings,
    struct vm_error *err) VM_MUST_CHECK;

#endif
