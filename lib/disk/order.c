#include "lib/disk/order.h"

#include <stdlib.h>

static bool
comes_before(const struct vm_order_job *a, const struct vm_order_job *b)
{
	return a->needs != b->needs ? a->needs < b->needs :
				      a->number < b->number;
}

static void
swap(struct vm_order_job *a, struct vm_order_job *b)
{
	struct vm_order_job job = *a;

	*a = *b;
	*b = job;
}

int
vm_order_push(struct vm_order *order, uint64_t needs, uint64_t number,
    struct vm_error *err)
{
	struct vm_order_job *jobs = order->jobs;
	size_t at = order->count;

	if (order->count == order->room) {
		size_t room = order->room == 0 ? 64 : 2 * order->room;

		jobs = reallocarray(jobs, room, sizeof(*jobs));
		if (jobs == NULL)
			return vm_error_nomem(err);
		order->jobs = jobs;
		order->room = room;
	}
	jobs[at] = (struct vm_order_job){ .needs = needs, .number = number };
	order->count++;
	for (size_t up; at > 0; at = up) {
		up = (at - 1) / 2;
		if (!comes_before(&jobs[at], &jobs[up]))
			break;
		swap(&jobs[at], &jobs[up]);
	}
	return 0;
}

bool
vm_order_pop(struct vm_order *order, uint64_t there, uint64_t *number)
{
	struct vm_order_job *jobs = order->jobs;
	size_t at = 0;

	if (order->count == 0 || jobs[0].needs > there)
		return false;
	*number = jobs[0].number;
	jobs[0] = jobs[--order->count];
	for (size_t down; (down = 2 * at + 1) < order->count; at = down) {
		if (down + 1 < order->count &&
		    comes_before(&jobs[down + 1], &jobs[down]))
			down++;
		if (!comes_before(&jobs[down], &jobs[at]))
			break;
		swap(&jobs[at], &jobs[down]);
	}
	return true;
}

void
vm_order_release(struct vm_order *order)
{
	free(order->jobs);
}
