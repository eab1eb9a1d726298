/*
 * lock.h - flock(2) on small files, with the name checked afterwards.
 *
 * A lock dies with the last process that has its descriptor.  After locking,
 * fstat is compared with the name (the file may have been replaced meanwhile)
 * and the lock is taken anew when they differ.  Waiting is bounded and can be
 * ended by a signal.
 */
#ifndef VM_STORE_LOCK_H
#define VM_STORE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/store/store.h"

#define VM_LOCK_NO_WAIT ((uint64_t)0)
#define VM_LOCK_FOREVER UINT64_MAX

/*
 * Lock dirfd/name (made when absent and `create`, mode 0600); the descriptor
 * is returned, closing it unlocks.  Held by another beyond wait_ms:
 * VM_E_TRY_AGAIN "locked".
 */
int vm_lock_take(int dirfd, const char *name, bool shared, bool create,
    uint64_t wait_ms, struct vm_error *err) VM_MUST_CHECK;

/* locks/<name>: for work on things that do not exist yet (a URL's digest). */
int vm_lock_named(struct vm_store *store, const char *name, uint64_t wait_ms,
    struct vm_error *err) VM_MUST_CHECK;

/* Is it held by anybody?  (a momentary answer; 1, 0 or -1) */
int vm_lock_is_held(int dirfd, const char *name, struct vm_error *err)
    VM_MUST_CHECK;

#endif
