/*
 * clone.h - instant copy-on-write clones of one master (patent claim 1: a clone
 * is a pointer to the cached image).
 *
 * What happens to a batch, in this order:
 *
 *	expand.h	which VMs does each image record stand for?
 *	clone.c		is a VM of that name there already?  Then it passes
 *			through with its drift, or, when its disk has never
 *			run, is built again.
 *	identity.h	UUID, machine-id, host keys, seeds
 *	ledger.h	locks what must be unique in the store
 *	network.h	addresses and MACs
 *	build.h		its directory under tmp/: overlay, chain, lock, vm.json
 *	publish.h	one commit for the whole batch
 *
 * A killed process therefore leaves only litter that can be swept, and a
 * reader never sees half a clone.
 */
#ifndef VM_CLONE_CLONE_H
#define VM_CLONE_CLONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/record/record.h"
#include "lib/store/store.h"

struct vm_clone_options {
	const char *from; /* alias, image or VM; NULL: image records */
	char **names;	  /* exact names, or none */
	size_t name_count;
	const char *pattern; /* "web-{{index}}"; NULL: SERVICE-ROLE-INDEX */
	size_t count;	     /* how many VMs there shall be; 0: the role's */
	char **sets;	     /* KEY=VALUE for the role */
	size_t set_count;
	const char *mode;      /* overlay, reflink, copy, auto; NULL: overlay */
	bool copy_ok;	       /* reflink may become a copy */
	uint64_t cluster_size; /* of an overlay, bytes; 0: 64 KiB */
	bool lazy_refcounts, extended_l2; /* of an overlay */
	bool ephemeral;	     /* removed when they stop (store/ephemeral.h) */
	const char *size;    /* as --set disk=SIZE; NULL: as the role says */
	const char *indices; /* "3-7,9": exactly these; NULL: by number */
	const char *uuid;    /* of the one VM that is made; NULL: a fresh one */
	char **host_keys;    /* types (crypto_key.h); none: ed25519 */
	size_t host_key_count;
	bool no_host_keys; /* none made here: the guest makes its own */
	unsigned jobs;	   /* threads; 0: one per core */
	bool no_sync;	   /* not durable on return */
	bool dry_run;	   /* "planned" members instead of VMs */
};

/*
 * Can these options be, whatever the input?  VM_E_USAGE "usage", "bad_size",
 * "bad_index", "bad_uuid" or "bad_key_type"; VM_E_UNAVAILABLE "no_extended_l2".
 */
int vm_clone_check(const struct vm_clone_options *options, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Replace each image record by the VM records it stands for, in order.  VM
 * records of VMs that are here pass through.  A VM that cannot be made leaves
 * nothing behind and a failed record: VM_E_EXISTS "name_taken", "mac_taken" or
 * "uuid_taken", VM_E_IO, VM_E_NO_INPUT "image_not_found", VM_E_DATA
 * "image_changed", VM_E_USAGE "bad_size" or "bad_mode", VM_E_SYSTEM
 * "network_full", VM_E_UNAVAILABLE "no_reflink".
 * Returns -1 only when nothing could be tried.
 */
int vm_clone_run(struct vm_store *store, const struct vm_clone_options *options,
    struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

#endif
