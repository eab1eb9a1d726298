/*
 * prune.h - takes away what nothing reaches: vmgc's duty.
 *
 * Theory of operation.  All is decided first (prune_plan.h), from names, link
 * counts, pins and times, and nothing is written for that; then each thing is
 * taken in the order of the plan, so that the cheapest space comes first.
 *
 * Taking is a rename into tmp/ under a flock on the thing itself, made durable,
 * and only then are its files unlinked: a killed vmgc leaves whole things or
 * litter, and the next run sweeps that.  No step needs space: nothing is
 * created, and a rename between two directories that exist reuses an entry.
 *
 * Races.  A clone holds its chain by hard links, so nothing that is removed
 * here can leave it dangling, whatever the order of events:
 *
 *	linked before the recheck	that sees the link count, and the image
 *					goes back to its name
 *	linked after the recheck	the clone keeps the file; only the name
 *					under images/ is gone
 *	after the unlink		vmclone finds no file, says so, and
 *					leaves nothing behind
 *
 * The recheck also sees a pin or a use noted meanwhile; vmfetch --pin waits for
 * the flock and then finds the name gone.  An image fetched again meanwhile has
 * taken the name: then the old one is not put back.  Two vmgc may run at once:
 * what the other took first is passed over.
 *
 * Clocks.  What is live is never removed, whatever any clock says: a VM (but an
 * ephemeral one that has stopped, ephemeral.h), what it stands on, what a
 * process has locked, what is pinned or leased.  Ages are those of use.h, which
 * a clock that jumps cannot make greater, and they count only for what has no
 * links besides; max_space goes by the order of uses, not by time.
 */
#ifndef VM_RECLAIM_PRUNE_H
#define VM_RECLAIM_PRUNE_H

#include "lib/record/record.h"
#include "lib/store/use.h"

#define VM_PRUNE_KEEP_MS ((uint64_t)30 * 86400 * 1000)
#define VM_PRUNE_TRASH_MS ((uint64_t)7 * 86400 * 1000)

struct vm_prune_options {
	struct vm_use_reading now;
	uint64_t keep_ms;   /* unused for so long goes */
	bool keep_current;  /* but not what an alias means now */
	bool has_max_space; /* go on until the store takes up at most ... */
	uint64_t max_space; /* ... so many bytes */
	bool trash;	    /* the trash now, however new */
	bool old;	    /* what upgrades replaced, so long ago ... */
	uint64_t old_ms;    /* ... or longer */
	bool dry_run;
};

/*
 * Append a record for each thing taken: {"kind","name","bytes","reason",
 * "state":"removed"}, kind being vm (an ephemeral one that is over), litter,
 * part, trash, quarantine, old, layer, file or image (which has "image" as
 * well), bytes what that frees.  A dry run has "planned":"remove" instead of
 * the state.  What was used meanwhile has the
 * state "kept"; what cannot be removed is a failed record.  Logged: a clock
 * that has jumped, and how much is missing to max_space.  -1 only when nothing
 * could be tried, or a signal came.
 */
int vm_prune_run(struct vm_store *store, const struct vm_prune_options *options,
    struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

#endif
