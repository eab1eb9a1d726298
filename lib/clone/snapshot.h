/*
 * snapshot.h - moments of a VM's disks, kept inside them: vmsnap's duty.
 *
 * A snapshot NAME@TAG is an internal qcow2 snapshot called TAG in each of the
 * VM's qcow2 disks, all or none; volumes are not part of the VM and have none,
 * and a VM with a raw disk of its own cannot have any.  What is there is read
 * from the disks themselves (lib/disk/snapshots.h), so there is nothing that
 * could disagree with them.
 *
 * Of a VM that runs they are made and deleted by its QEMU (lib/qemu/live.h), of
 * a stopped one by qemu-img under the VM's lock.  To go back (rollback) a
 * new directory is built beside, the disks copied and reverted there, and the
 * two change places, so a VM is as it was or as it is to be, whoever is killed;
 * its generation ID is new.  One that runs is stopped for that, and started
 * again.
 *
 * Killed between two disks of one VM making or deleting leaves a snapshot that
 * only some of them have.  It is listed as "partial", cannot be gone back to,
 * and is made good by making or deleting it again.
 */
#ifndef VM_CLONE_SNAPSHOT_H
#define VM_CLONE_SNAPSHOT_H

#include <stdbool.h>

#include "lib/record/record.h"
#include "lib/store/store.h"

enum vm_snapshot_action {
	VM_SNAPSHOT_MAKE,
	VM_SNAPSHOT_DELETE,
	VM_SNAPSHOT_ROLLBACK
};

struct vm_snapshot_options {
	enum vm_snapshot_action action;
	bool no_start; /* rollback: what was stopped for it stays so */
	bool dry_run;  /* say what would be done */
	bool quiet;    /* these two to the commands it runs */
	int verbose;
};

/*
 * vm_input_resolve (with any_name), context the store: the record of the VM of
 * "NAME@TAG", with the member "snapshot":{"tag":TAG}.  VM_E_USAGE "bad_tag": a
 * tag is a name like a VM's, and not of digits only, as QEMU numbers snapshots.
 */
struct vm_json *vm_snapshot_resolve(void *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Do it for the VM records, in place, each of which says snapshot.tag; then
 * "snapshot" has created and size, too, or is gone.  In a record that fails:
 * VM_E_EXISTS "snapshot_exists", VM_E_NO_INPUT "snapshot_not_found",
 * VM_E_UNAVAILABLE "raw_disk", VM_E_DATA "partial_snapshot", VM_E_TRY_AGAIN
 * "in_use", VM_E_IO and so on.  A dry run sets "planned".  -1 only when nothing
 * could be tried.
 */
int vm_snapshot_run(struct vm_store *store,
    const struct vm_snapshot_options *options, struct vm_records *records,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Append a record {"kind":"snapshot","name":"NAME@TAG","vm","tag","created",
 * "size","vm_state","state"} for each snapshot of the VMs that match one of the
 * patterns (fnmatch(3); none: all).  A plain name that is no VM's, and a VM
 * that cannot be read, become failed records.
 */
int vm_snapshot_list(struct vm_store *store, char *const *patterns,
    size_t count, struct vm_records *records, struct vm_error *err)
    VM_MUST_CHECK;

#endif
