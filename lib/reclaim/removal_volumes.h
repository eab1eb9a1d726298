/*
 * removal_volumes.h - what becomes of the volumes of VMs that are removed or
 * brought back; private to lib/reclaim.
 */
#ifndef VM_RECLAIM_REMOVAL_VOLUMES_H
#define VM_RECLAIM_REMOVAL_VOLUMES_H

#include "lib/record/record.h"
#include "lib/store/store.h"

/* Has the store volumes of this VM?  And nothing else of it? */
bool vm_removal_has_volumes(const struct vm_store *store, const char *vm);
bool vm_removal_is_only_volumes(const struct vm_store *store, const char *vm);

/*
 * The VMs of these records have been removed: their volumes follow, and are
 * listed in "volumes".  A dry run only logs them.  Failures are in the records.
 */
int vm_removal_take_volumes(struct vm_store *store, bool dry_run,
    const char *tool, struct vm_records *records, struct vm_error *err)
    VM_MUST_CHECK;

/* Say which volumes stay; removed[i]: record i's VM was removed. */
int vm_removal_say_left(const struct vm_store *store, char *const *removed,
    const struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

/*
 * Neither a VM of record's name nor one in the trash: bring back its volumes,
 * listed in "volumes".  1: done; 0: there are none in the trash.
 */
int vm_removal_restore_volumes(struct vm_store *store, bool dry_run,
    struct vm_json *record, struct vm_error *err) VM_MUST_CHECK;

/* VMs have come back (restored[i]): so do their volumes. */
int vm_removal_mend_volumes(struct vm_store *store, char *const *restored,
    const char *tool, struct vm_records *records, struct vm_error *err)
    VM_MUST_CHECK;

#endif
