/*
 * expand.h - the names and indices of the VMs that a role stands for.
 *
 * Indices count from 1.  VMs that exist count first, lowest index first; what
 * is missing then gets the lowest free indices, so that the same command run
 * again finds the same VMs.
 */
#ifndef VM_CLONE_EXPAND_H
#define VM_CLONE_EXPAND_H

#include "lib/clone/clone.h"

struct vm_expand_vm {
	char name[VM_NAME_MAX + 1];
	long long index; /* 0: none (named by hand) */
	bool exists;	 /* in the store when we looked */
};

struct vm_expand {
	struct vm_expand_vm *vms;
	size_t count;
};

/*
 * existing: sorted names of the store's VMs, NULL-terminated.  The number is
 * options->name_count, options->indices, options->count, the record's
 * "indices", or the role's replicas, whichever is given first.  VM_E_USAGE
 * "bad_name", "bad_pattern" or "bad_index", VM_E_DATA "bad_record" (indices).
 */
int vm_expand_record(const struct vm_json *image_record,
    const struct vm_clone_options *options, char **existing,
    struct vm_expand *expand, struct vm_error *err) VM_MUST_CHECK;
void vm_expand_release(struct vm_expand *expand);
#define VM_CLEAN_EXPAND VM_CLEAN(vm_expand_release)

#endif
