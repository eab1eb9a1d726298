/*
 * process.h - the QEMU process of a VM, found and never mistaken.
 *
 * A process id in a file says nothing: it may be another's by now.  The QEMU of
 * a VM is the process that has the VM's lock file open, so a candidate (from
 * the monitor, or the one noted when it was started) is opened as a pidfd
 * first and believed when the lock file is among its descriptors.
 */
#ifndef VM_QEMU_PROCESS_H
#define VM_QEMU_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/adapt/json.h"
#include "lib/base/error.h"
#include "lib/qemu/qmp.h"

/* How long a monitor may take for a small question. */
#define VM_PROCESS_ASK_MS 5000

/*
 * Connect to the monitor of the running VM and make sure that it is its own;
 * as vm_qmp_connect() and vm_qmp_check_uuid().
 */
int vm_process_connect(const struct vm_json *record, int dir_fd,
    uint64_t timeout_ms, struct vm_qmp *qmp, struct vm_error *err)
    VM_MUST_CHECK;

/* Has the guest opened the agent's end of its channel? */
bool vm_process_has_agent(struct vm_qmp *qmp);

/*
 * A pidfd of the VM's QEMU.  qmp may be NULL or closed: then only run.pid of
 * the record is tried.  VM_E_UNAVAILABLE "no_process".
 */
int vm_process_open(const struct vm_json *record, int dir_fd,
    struct vm_qmp *qmp, struct vm_error *err) VM_MUST_CHECK;

/* Has the process of this pidfd ended?  (-1 is one that has.) */
bool vm_process_has_ended(int pidfd);

/* The same, given so much time for it. */
bool vm_process_wait_end(int pidfd, uint64_t wait_ms);

#endif
