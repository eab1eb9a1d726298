/*
 * removal.h - takes VMs away to trash/ and brings them back: vmrm's duty.
 *
 * Removing is one rename under the VM's lock: nothing is deleted, and a VM that
 * runs is not touched.  The room that knows how to end QEMU is another one, so
 * a forced removal runs the program vmstop first.  The newest of a name in
 * trash/ is the one that comes back.
 */
#ifndef VM_RECLAIM_REMOVAL_H
#define VM_RECLAIM_REMOVAL_H

#include "lib/record/record.h"
#include "lib/store/store.h"

struct vm_removal_options {
	bool force;   /* stop those that run */
	bool undo;    /* bring them back instead */
	bool volumes; /* their volumes as well */
	bool dry_run; /* say what would be done */
};

/*
 * Remove (or bring back) the VMs of records, in place: a removed one's state is
 * "removed" and "trash" is its name in trash/; one that came back is as its
 * vm.json says.  "volumes" lists the ids of the volumes that went, or, of a VM
 * that is gone itself, came back; a VM's own come back with it.  Volumes that
 * stay are logged.  A dry run sets "planned" to "remove" or "restore" and logs
 * it.  In a record that fails: VM_E_TRY_AGAIN "in_use", VM_E_EXISTS
 * "stale_record" or, when the name is taken meanwhile, "exists", VM_E_NO_INPUT
 * "vm_not_found" or "not_in_trash".  -1 only when nothing could be tried.
 */
int vm_removal_run(struct vm_store *store,
    const struct vm_removal_options *options, struct vm_records *records,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * vm_input_resolve, context the store: as vm_vm_resolve(), but a VM whose
 * vm.json is damaged or too new has a record too, so that it can be removed.
 */
struct vm_json *vm_removal_resolve(void *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/* The same, and a VM of which only volumes are left has a bare record. */
struct vm_json *vm_removal_resolve_volumes(void *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/* vm_input_resolve: a bare record of any good name, context NULL. */
struct vm_json *vm_removal_resolve_gone(void *context, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

#endif
