/*
 * prune_plan.h - what vmgc may take and why; only reads; private to
 * lib/reclaim.
 */
#ifndef VM_RECLAIM_PRUNE_PLAN_H
#define VM_RECLAIM_PRUNE_PLAN_H

#include <sys/types.h>

#include "lib/reclaim/prune.h"
#include "lib/store/usage.h"

struct vm_prune_item {
	enum vm_store_dir dir;
	char *name;
	char *alias;	       /* of an image: "debian-12@3", or NULL */
	struct vm_usage usage; /* its files */
	ino_t own;	       /* an image's master, a layer's own file */
	nlink_t own_links;     /* names of that; 0: none */
	int64_t used_ns;       /* last use */
	uint64_t age_s;	       /* since then, as far as is certain */
	bool is_kept;	       /* locked, pinned, leased, referred to */
	bool is_current;       /* what an alias means now */
	bool is_doomed;	       /* to be taken ... */
	uint64_t bytes;	       /* ... which frees this ... */
	char reason[128];      /* ... because */
};

struct vm_prune_plan {
	struct vm_prune_item *items; /* by directory, then by name */
	size_t count;
	size_t *order; /* the doomed, in the order they shall be taken */
	size_t doomed;
	uint64_t bytes;	 /* what the store takes up afterwards */
	bool has_jumped; /* the clock */
	struct vm_use_clock clock;
};

int vm_prune_plan(struct vm_store *store,
    const struct vm_prune_options *options, struct vm_prune_plan *plan,
    struct vm_error *err) VM_MUST_CHECK;
void vm_prune_release(struct vm_prune_plan *plan);
#define VM_CLEAN_PRUNE VM_CLEAN(vm_prune_release)

#endif
