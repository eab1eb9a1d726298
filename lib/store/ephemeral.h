/*
 * ephemeral.h - VMs that are there for one run: removed when they stop.
 *
 * Such a VM has "ephemeral": true in its vm.json.  It is over once a start of
 * it was begun ("run", which a copy of a VM that has run does not have) and its
 * lock is free: the lock is inherited by QEMU from the command that started it,
 * so there is no moment between the two at which it runs and nobody holds it.
 * vmstop removes what it has stopped.  When a VM ends by itself, nobody is
 * there to remove it: whoever comes next and may write does (vmgc, vmstop and
 * vmdeploy of it, vmclone of the same name).
 *
 * Removing is a rename into tmp/ under the VM's lock, made durable, and then
 * the files are unlinked: nothing is in the trash, as nobody wants it back.  A
 * killed process leaves the VM or litter.  Volumes stay: a VM's directory has
 * but a link to each.
 */
#ifndef VM_STORE_EPHEMERAL_H
#define VM_STORE_EPHEMERAL_H

#include <stdbool.h>

#include "lib/record/record.h"
#include "lib/store/store.h"

/* Does it say that it is ephemeral and that a start was begun? */
bool vm_ephemeral_has_run(const struct vm_json *record);

/* 1: a VM of that name is over, 0: not (nor if there is none), -1: error. */
int vm_ephemeral_is_over(struct vm_store *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Remove it if it is over; the caller holds its lock, which is of no use then.
 * 1: removed, 0: it is not ephemeral, or no start was begun.
 */
int vm_ephemeral_end(struct vm_store *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/* The same, taking the lock: 0 also when somebody else has it. */
int vm_ephemeral_reap(struct vm_store *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Remove all that are over (dry_run: only say so), with a record of kind "vm"
 * for each as vm_prune_run() appends them.
 */
int vm_ephemeral_sweep(struct vm_store *store, bool dry_run,
    struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

#endif
