/*
 * login.h - ssh(1) to a VM, strict about who answers.
 *
 * The host key was made when the VM was cloned, so it is known before the first
 * boot: vms/NAME/known_hosts is written from the record under the VM's name
 * (HostKeyAlias) and is the only file ssh may believe.
 */
#ifndef VM_HOST_LOGIN_H
#define VM_HOST_LOGIN_H

#include "lib/adapt/json.h"
#include "lib/base/error.h"
#include "lib/host/argv.h"
#include "lib/store/store.h"

/* Write known_hosts; VM_E_DATA "no_host_key" when the record has none. */
int vm_login_write_known_hosts(struct vm_store *store,
    const struct vm_json *record, struct vm_error *err) VM_MUST_CHECK;

/*
 * Our options, the strict host key check with this file among them, and the
 * VM's port.  VM_E_UNAVAILABLE "no_ssh_port" when the record knows no way in.
 */
int vm_login_add_options(struct vm_argv *argv, const struct vm_json *record,
    const char *known_hosts, struct vm_error *err) VM_MUST_CHECK;

/*
 * Become ssh to target ("[USER@]NAME") with these words as its command, once
 * its sshd answers, which a VM that has been seen ready is believed to do.
 * Returns only on failure; VM_E_UNAVAILABLE "not_running" among others, and
 * VM_E_TRY_AGAIN "not_ready" after VM_READY_DEFAULT_MS.
 */
int vm_login_exec(struct vm_store *store, const char *target, const char *key,
    char **words, size_t count, struct vm_error *err);

#endif
