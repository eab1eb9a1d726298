/*
 * order.h - what can be done next while a file arrives.
 *
 * Each job needs the file's bytes up to some place; the one that needs the
 * fewest comes first, then the one with the lower number.  A binary heap: both
 * acts take logarithmic time.  Not for several threads at once.
 */
#ifndef VM_DISK_ORDER_H
#define VM_DISK_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

struct vm_order_job {
	uint64_t needs; /* bytes of the file */
	uint64_t number;
};

/* All-zero is empty. */
struct vm_order {
	struct vm_order_job *jobs;
	size_t count, room;
};

int vm_order_push(struct vm_order *order, uint64_t needs, uint64_t number,
    struct vm_error *err) VM_MUST_CHECK;

/* The first job, if there is one and it needs no more than `there` bytes. */
bool vm_order_pop(struct vm_order *order, uint64_t there, uint64_t *number);

void vm_order_release(struct vm_order *order);

#endif
