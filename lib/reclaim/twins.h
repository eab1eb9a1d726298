/*
 * twins.h - two VMs with one address: what can come of bringing a VM back;
 * private to lib/reclaim.
 */
#ifndef VM_RECLAIM_TWINS_H
#define VM_RECLAIM_TWINS_H

#include "lib/store/store.h"

/*
 * Warn of each of these VMs (names, count of them) that shares a network and an
 * address with another VM of the store.
 */
int vm_twins_warn(struct vm_store *store, const char *const *names,
    size_t count, struct vm_error *err) VM_MUST_CHECK;

#endif
