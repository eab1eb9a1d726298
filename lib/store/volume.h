/*
 * volume.h - volumes: disks that outlive the VM they belong to.
 *
 * volumes/<id>/ holds disk.raw (sparse, 0600), volume.json {"vm","name","size",
 * "mount"?,"fs"?{"type","uuid"}} and lock.  The id is <vm>-<name>; as the name
 * of a volume has no "-" in it, an id is of one VM and one name only.
 *
 * A VM uses a volume through a hard link in its own directory,
 * volume-<name>.raw, so that the names in its record are relative and replacing
 * or removing the VM's directory never touches the volume.  A VM of the same
 * name that is made later gets the same volume.
 *
 * Locks.  Whoever makes, attaches, changes or removes a volume holds its lock;
 * while it is attached, the VM's lock keeps others from its data: take the VM's
 * first.  The lock file goes where the volume goes.
 *
 * The size of disk.raw is the volume's size, whatever volume.json says: a
 * growing that was interrupted is complete or has not happened.
 */
#ifndef VM_STORE_VOLUME_H
#define VM_STORE_VOLUME_H

#include "lib/record/record.h"
#include "lib/store/publish.h"

#define VM_VOLUME_NAME_MAX 16
#define VM_VOLUME_ID (VM_NAME_MAX + 1 + VM_VOLUME_NAME_MAX + 1)
#define VM_VOLUME_FILE 40 /* "volume-<name>.raw" */

/* A volume that is locked; all-zero is none. */
struct vm_volume {
	char id[VM_VOLUME_ID];
	struct vm_json *facts; /* volume.json, with the true size; NULL: none */
	int dir_fd, lock_fd;
	bool is_new; /* made by vm_volume_take() */
};

/* The two names of a volume; VM_E_USAGE "bad_name". */
int vm_volume_make_id(const char *vm, const char *name, char id[VM_VOLUME_ID],
    struct vm_error *err) VM_MUST_CHECK;
void vm_volume_make_file(const char *name, char file[VM_VOLUME_FILE]);

/* Is it an id of a volume of this VM? */
bool vm_volume_is_of(const char *id, const char *vm);

/*
 * volume.json with the true size, not locked.  VM_E_NO_INPUT
 * "volume_not_found", VM_E_DATA "volume_damaged".
 */
struct vm_json *vm_volume_load(struct vm_store *store, const char *id,
    struct vm_error *err) VM_MUST_CHECK;

/* Its lock; VM_E_NO_INPUT "volume_not_found", VM_E_TRY_AGAIN "in_use". */
int vm_volume_lock(struct vm_store *store, const char *id, uint64_t wait_ms,
    struct vm_error *err) VM_MUST_CHECK;

/* Lock and load; a vmclone that has it is waited for. */
int vm_volume_open(struct vm_store *store, const char *id,
    struct vm_volume *volume, struct vm_error *err) VM_MUST_CHECK;

/*
 * Open the VM's volume that wanted ({"name","size","mount"?}, as in a role)
 * asks for, or make it: empty, with a file system when it is to be mounted.
 * One that is there is not changed: smaller than asked for is fine, it can be
 * grown; larger is VM_E_USAGE "bad_size", and one without a file system that
 * shall be mounted VM_E_USAGE "no_file_system".
 */
int vm_volume_take(struct vm_store *store, const char *vm,
    const struct vm_json *wanted, bool durable, struct vm_volume *volume,
    struct vm_error *err) VM_MUST_CHECK;

/* Hard-link it into a VM's directory that is being built. */
int vm_volume_link(const struct vm_volume *volume, struct vm_publish *publish,
    struct vm_error *err) VM_MUST_CHECK;

/* Its entry for a record's "disks", as large and mounted as wanted. */
struct vm_json *vm_volume_describe(const struct vm_volume *volume,
    const struct vm_json *wanted, struct vm_error *err) VM_MUST_CHECK;

/*
 * Make it as large as wanted, which vm_volume_take() has checked, and note
 * where it is mounted.  Nobody may be using it.
 */
int vm_volume_fit(struct vm_store *store, struct vm_volume *volume,
    const struct vm_json *wanted, struct vm_error *err) VM_MUST_CHECK;

/* Remove a new one again, with which nothing came of. */
void vm_volume_discard(struct vm_store *store, struct vm_volume *volume);

void vm_volume_close(struct vm_volume *volume);
#define VM_CLEAN_VOLUME VM_CLEAN(vm_volume_close)

/*
 * volume_vm.c: the volumes of a VM that is there.
 *
 * Has any of them another size than wanted (a role's list) says?  It is looked
 * at as it is: a vmclone that was killed may have noted it and not done it.
 */
bool vm_volume_is_to_grow(struct vm_store *store, const struct vm_json *record,
    const struct vm_json *wanted);

/*
 * Make those that record's role wants larger as large, and note that in
 * record's disks; *changed says whether any was.  One that is larger stays so
 * if it may, as a VM that went back to an older role must start; else it is
 * VM_E_USAGE "bad_size".  The caller holds the VM's lock and nobody runs it.
 */
int vm_volume_grow_all(struct vm_store *store, struct vm_json *record,
    bool may_be_larger, bool *changed, struct vm_error *err) VM_MUST_CHECK;

/*
 * Are all volumes of the record in the store, and linked into the VM's
 * directory dir_fd?  VM_E_DATA "volume_missing" with the repair.
 */
int vm_volume_check_all(struct vm_store *store, const struct vm_json *record,
    int dir_fd, struct vm_error *err) VM_MUST_CHECK;

/*
 * volume_trash.c: volumes that were removed, trash/<id>.volume.<n>.
 *
 * Move all volumes of this VM, which is not there any more, to the trash;
 * their ids are appended to `ids`.  VM_E_TRY_AGAIN "in_use" when a VM of that
 * name has been made meanwhile.
 */
int vm_volume_trash_all(struct vm_store *store, const char *vm,
    struct vm_json *ids, struct vm_error *err) VM_MUST_CHECK;

/* Is this name in the trash that of a volume of this VM? */
bool vm_volume_is_trash_of(const char *name, const char *vm);

/*
 * Of a VM that is gone: move the newest of each of its volumes back.  The
 * ids are appended; VM_E_EXISTS "exists".
 */
int vm_volume_untrash_all(struct vm_store *store, const char *vm,
    struct vm_json *ids, struct vm_error *err) VM_MUST_CHECK;

/*
 * Of a VM that is there, its lock held: bring back from the trash, or from the
 * VM's own link, what is missing in the store, and link what is missing in the
 * VM's directory.
 */
int vm_volume_mend_all(struct vm_store *store, const struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

#endif
