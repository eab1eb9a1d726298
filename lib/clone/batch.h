/*
 * batch.h - a batch of clones, from what is wanted to what is published.
 *
 * Items are added in the order of the output; vm_batch_make() then builds all
 * that has to be made on several threads and commits it at once.
 */
#ifndef VM_CLONE_BATCH_H
#define VM_CLONE_BATCH_H

#include "lib/clone/clone.h"
#include "lib/clone/disks.h"
#include "lib/clone/identity.h"
#include "lib/clone/source.h"
#include "lib/store/publish.h"

enum vm_batch_action {
	VM_BATCH_PASS,	 /* as it is */
	VM_BATCH_MAKE,	 /* a new VM */
	VM_BATCH_REBUILD /* there, never started, and wanted otherwise */
};

struct vm_batch_item {
	enum vm_batch_action action;
	struct vm_json *record;		/* owned; what comes out */
	const struct vm_source *source; /* borrowed */
	struct vm_error failure;	/* kind VM_OK: none */
	int lock_fd;			/* REBUILD: the VM's lock */
	struct vm_disks disks;		/* its volumes, until it is there */
	struct vm_publish publish;
};

struct vm_batch {
	struct vm_store *store;
	const struct vm_clone_options *options;
	struct vm_identity_plan plan;
	struct vm_batch_item *items;
	size_t count;
};

/* A record that only passes through (taken even on failure). */
int vm_batch_add_pass(struct vm_batch *batch, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

/* The VM called name that image_record stands for; decides what to do. */
int vm_batch_add_vm(struct vm_batch *batch, const struct vm_json *image_record,
    const struct vm_source *source, const char *name, long long index,
    bool exists, struct vm_error *err) VM_MUST_CHECK;

/* Do it.  Failures are in the items; -1 only when nothing could be tried. */
int vm_batch_make(struct vm_batch *batch, struct vm_error *err) VM_MUST_CHECK;

void vm_batch_release(struct vm_batch *batch);
#define VM_CLEAN_BATCH VM_CLEAN(vm_batch_release)

#endif
