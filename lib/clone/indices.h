/*
 * indices.h - exact sets of VMs of a role: "3-7,9".
 */
#ifndef VM_CLONE_INDICES_H
#define VM_CLONE_INDICES_H

#include <stddef.h>

#include "lib/adapt/json.h"

#define VM_INDICES_MAX 999999	/* the largest index */
#define VM_INDICES_COUNT 100000 /* in one set */

/* All-zero is none. */
struct vm_indices {
	long long *items;
	size_t count;
};

/*
 * "3-7,9": numbers from 1 and ranges of them, with commas, each at most once;
 * *indices gets them in ascending order.  VM_E_USAGE "bad_index".
 */
int vm_indices_parse(const char *text, struct vm_indices *indices,
    struct vm_error *err) VM_MUST_CHECK;

/* A record's "indices", in its order: VM_E_DATA "bad_record". */
int vm_indices_take(const struct vm_json *list, struct vm_indices *indices,
    struct vm_error *err) VM_MUST_CHECK;

void vm_indices_release(struct vm_indices *indices);
#define VM_CLEAN_INDICES VM_CLEAN(vm_indices_release)

#endif
