/*
 * rollback.h - a VM's disks go back to one of their snapshots.
 */
#ifndef VM_CLONE_ROLLBACK_H
#define VM_CLONE_ROLLBACK_H

#include "lib/clone/snapshot.h"
#include "lib/clone/snapshot_vm.h"

/*
 * All of its disks have the snapshot, its lock is held, and is still afterwards
 * although the directory is a new one (vm is then to be closed).  On failure,
 * and whoever is killed, the VM is as it was.
 */
int vm_rollback_vm(struct vm_snapshot_vm *vm, const char *tag,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The same of a VM that runs: vmstop stops it (its volumes do not go back, so
 * the guest is to write them out), and vmdeploy starts it again and waits, also
 * after a failure, unless options say otherwise.  vm is then not locked.
 * VM_E_TRY_AGAIN "in_use" when somebody else was faster in between.
 */
int vm_rollback_running(struct vm_snapshot_vm *vm, const char *tag,
    const struct vm_snapshot_options *options, struct vm_error *err)
    VM_MUST_CHECK;

#endif
