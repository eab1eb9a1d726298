/*
 * prune_scan.h - the things in the store that vmgc knows; private to
 * lib/reclaim.
 */
#ifndef VM_RECLAIM_PRUNE_SCAN_H
#define VM_RECLAIM_PRUNE_SCAN_H

#include "lib/reclaim/prune_plan.h"

/* Fill plan->items (plan->clock is set); the caller releases the plan. */
int vm_prune_scan(struct vm_store *store, struct vm_prune_plan *plan,
    struct vm_error *err) VM_MUST_CHECK;

#endif
