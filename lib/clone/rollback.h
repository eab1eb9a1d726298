/*
 * rollback.h - a stopped VM's disks go back to one of their snapshots.
 */
#ifndef VM_CLONE_ROLLBACK_H
#define VM_CLONE_ROLLBACK_H

#include "lib/clone/snapshot_vm.h"

/*
 * All of its disks have the snapshot, its lock is held, and is still afterwards
 * although the directory is a new one (vm is then to be closed).  On failure,
 * and whoever is killed, the VM is as it was.
 */
int vm_rollback_vm(struct vm_snapshot_vm *vm, const char *tag,
    struct vm_error *err) VM_MUST_CHECK;

#endif
