/*
 * plan.h - what one VM record asks for, and what of it is to be done.
 *
 * vm.json's "applied" says what was done before:
 *
 *	customize, instance	digests of the role's members (drift.h)
 *	identity		digest of the identity and instance:, expanded
 *	operations		those given by hand, in order, for replay
 *
 * A disk that has never run is built again, on the layer of customize: and of
 * the operations by hand; a reflink or a copy, which stands on nothing, gets
 * these itself.  On a disk that has run only new operations by hand
 * are done, in place; what else differs is drift.  A copy of another VM (its
 * disk has run, its identity is not written yet) gets its identity in place.
 */
#ifndef VM_GUEST_PLAN_H
#define VM_GUEST_PLAN_H

#include "lib/record/record.h"
#include "lib/store/store.h"

#define VM_PLAN_DIGEST 65

enum vm_plan_action { VM_PLAN_PASS, VM_PLAN_REBUILD, VM_PLAN_IN_PLACE };

struct vm_plan {
	enum vm_plan_action action;
	enum vm_store_dir dir;	   /* where its directory is ... */
	char object[96];	   /* ... and what that is called */
	struct vm_json *record;	   /* the VM's next one, with "private" */
	struct vm_json *layer_ops; /* REBUILD: below the clone; or empty */
	struct vm_json *clone_ops; /* in the clone itself */
	bool is_raw; /* no layer: layer_ops are done to the disk itself */
	bool with_identity, set_hostname;
	char image_id[80];
	char layer_key[VM_PLAN_DIGEST]; /* "": right on the image */
};

/*
 * Decide about `record`.  hand: operations from the command line, checked
 * (NULL: none).  next: about its next directory, in old/ (store/old.h).
 *
 * VM_E_DATA "bad_spec", "bad_operation", "unknown_address"; VM_E_NO_INPUT
 * "vm_not_found", "file_not_found", "no_next"; VM_E_EXISTS "stale_record",
 * "has_snapshots".
 */
int vm_plan_make(struct vm_store *store, const struct vm_json *record,
    const struct vm_json *hand, bool next, struct vm_plan *plan,
    struct vm_error *err) VM_MUST_CHECK;

/* What the store has of it, paths absolute where it is a VM's. */
struct vm_json *vm_plan_load(struct vm_store *store, const struct vm_plan *plan,
    bool with_private, struct vm_error *err) VM_MUST_CHECK;

/* Add to plan->record's drift what a disk that has run does not have. */
int vm_plan_note_drift(struct vm_plan *plan, struct vm_error *err)
    VM_MUST_CHECK;

/* What -n says, in one line. */
int vm_plan_describe(const struct vm_plan *plan, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

void vm_plan_release(struct vm_plan *plan);

#endif
