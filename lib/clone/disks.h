/*
 * disks.h - what a clone has besides its system disk: data disks of its own,
 * and volumes, which outlive it.
 *
 * A data disk is <name>.qcow2 in the VM's directory: on nothing when it begins
 * empty, on the master of another image when it begins as that, or a copy of
 * the same disk of the VM that is copied.  Its entry in the record's disks is
 * {"name","path","format","mode","size"}, the mode "empty" or "overlay", with
 * "image" (the id) and "alias" of what it stands on.
 *
 * A volume (store/volume.h) is made or found, and stays locked until the clone
 * is there or has failed.  A new one is given up with the clone, one that was
 * there is first touched when the clone is there.
 */
#ifndef VM_CLONE_DISKS_H
#define VM_CLONE_DISKS_H

#include "lib/clone/source.h"
#include "lib/store/volume.h"

/* The volumes of one clone on its way; all-zero is none. */
struct vm_disks {
	struct vm_volume *volumes;
	size_t count;
};

/*
 * Put what the record's role asks for into its directory, which was begun, and
 * behind the first of its disks; a data disk that the record has is there.
 * VM_E_NO_INPUT "alias_not_found", VM_E_USAGE "bad_disks", "bad_size" or
 * "no_file_system", VM_E_TRY_AGAIN "in_use", VM_E_UNAVAILABLE (no mke2fs),
 * VM_E_IO.
 */
int vm_disks_add(const struct vm_source *source, struct vm_json *record,
    struct vm_publish *publish, struct vm_disks *disks, struct vm_error *err)
    VM_MUST_CHECK;

/* The clone is there: volumes that shall be larger are. */
int vm_disks_settle(struct vm_store *store, struct vm_disks *disks,
    const struct vm_json *record, struct vm_error *err) VM_MUST_CHECK;

/* It is not to be: new volumes go.  Safe when nothing is left to do. */
void vm_disks_release(struct vm_store *store, struct vm_disks *disks);

#endif
