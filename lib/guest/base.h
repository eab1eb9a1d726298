/*
 * base.h - what clones stand on: an image, or a layer of operations on it.
 *
 * A layer is made once per host: its key is the digest of what it is made of,
 * so whoever finds it complete uses it.  While it is made, locks/layer-<key>
 * is held; a second process waits and then finds it.
 */
#ifndef VM_GUEST_BASE_H
#define VM_GUEST_BASE_H

#include "lib/guest/appliance.h"
#include "lib/guest/plan.h"
#include "lib/store/chain.h"

struct vm_base {
	char image_id[80];
	char key[VM_PLAN_DIGEST]; /* "": the image itself */
	struct vm_json *ops;	  /* the layer's */
	struct vm_error error;	  /* why it cannot be used */
	bool is_open;		  /* chain is what clones link */
	struct vm_chain chain;
	struct vm_json *layout; /* NULL: not known yet */

	/* While a layer is made. */
	int lock_fd;	       /* or -1 */
	struct vm_chain below; /* the image's */
	struct vm_publish publish;
	char *disk; /* path of the layer's file */
	struct vm_change job;
};

/* All bases of some plans, each once, by key (the order locks are taken in). */
struct vm_bases {
	struct vm_base *items;
	size_t count;
};

/* The bases of the plans that build clones again; errors are in each. */
int vm_bases_open(struct vm_store *store, const struct vm_plan *plans,
    size_t count, struct vm_bases *bases, struct vm_error *err) VM_MUST_CHECK;
void vm_bases_release(struct vm_bases *bases);

/* The base that a plan builds on; never NULL for one that was given. */
struct vm_base *vm_bases_find(const struct vm_bases *bases,
    const struct vm_plan *plan);

/*
 * Make ready to make the layer: 1 and base->job is to be done; 0: it is there
 * now, or base->error is set.
 */
int vm_base_begin(struct vm_store *store, struct vm_base *base);

/* Publish what the job made, or note why not. */
void vm_base_finish(struct vm_store *store, struct vm_base *base);

/* What was found in a guest of this image: keep it, in all bases of it. */
void vm_bases_learn(struct vm_store *store, struct vm_bases *bases,
    const char *image_id, const struct vm_json *layout);

#endif
