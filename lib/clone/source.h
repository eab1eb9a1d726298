/*
 * source.h - what clones are made from: an image of the store, or a VM.
 */
#ifndef VM_CLONE_SOURCE_H
#define VM_CLONE_SOURCE_H

#include "lib/qemu/live.h"
#include "lib/record/record.h"
#include "lib/store/chain.h"

/* A data disk of a VM that runs, copied. */
struct vm_source_disk {
	const char *name; /* borrowed from `running' */
	int fd;
};

/* All-zero is not empty: the open functions fill it. */
struct vm_source {
	struct vm_chain chain;	 /* what a clone links into its directory */
	int disk_fd;		 /* a VM's own disk, to be copied; else -1 */
	bool is_raw;		 /* that disk is raw, and stands on nothing */
	int lock_fd;		 /* the VM's lock, held until close; else -1 */
	struct vm_json *running; /* a VM that runs (running.h); else NULL */
	struct vm_source_disk further[VM_LIVE_MAX];
	size_t further_count;
};

/* The image an image record names: VM_E_NO_INPUT "image_not_found" ... */
int vm_source_open(struct vm_store *store, const struct vm_json *record,
    struct vm_source *source, struct vm_error *err) VM_MUST_CHECK;

/*
 * --from: an image record for `from` (a VM's name, alias, alias@N or image id)
 * and its source.  A VM that runs is to be copied by vm_running_copy() before
 * it is cloned; one that is being worked on is VM_E_TRY_AGAIN "in_use".
 */
struct vm_json *vm_source_from(struct vm_store *store, const char *from,
    struct vm_source *source, struct vm_error *err) VM_MUST_CHECK;

void vm_source_close(struct vm_source *source);
#define VM_CLEAN_SOURCE VM_CLEAN(vm_source_close)

#endif
