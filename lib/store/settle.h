/*
 * settle.h - renaming in the store and making the rename last; private to
 * publish*.c.
 */
#ifndef VM_STORE_SETTLE_H
#define VM_STORE_SETTLE_H

#include "lib/store/store.h"

/*
 * Make renames between two of the store's directories last: fsync both, each
 * once more through a new descriptor when that fails.
 */
int vm_settle(struct vm_store *store, enum vm_store_dir to,
    enum vm_store_dir from, struct vm_error *err) VM_MUST_CHECK;

/*
 * Rename dir/name to keep_dir/<wish>.<n>, n above all that are there; *kept is
 * the caller's.  Not synced.
 */
int vm_settle_rename_kept(struct vm_store *store, enum vm_store_dir dir,
    const char *name, enum vm_store_dir keep_dir, const char *wish, char **kept,
    struct vm_error *err) VM_MUST_CHECK;

#endif
