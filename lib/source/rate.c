#include "lib/source/rate.h"

#include "lib/base/clock.h"
#include "lib/base/proc.h"

#define WAIT_MS 100

void
vm_rate_start(struct vm_rate *rate, uint64_t max)
{
	rate->max = max;
	rate->started_ms = vm_clock_ms();
	atomic_store(&rate->received, 0);
}

void
vm_rate_keep(struct vm_rate *rate, size_t len, const atomic_bool *stop)
{
	uint64_t max = rate->max, received, due, passed;

	if (max == 0)
		return;
	received = atomic_fetch_add(&rate->received, len) + len;
	due = received / max * 1000 + received % max * 1000 / max;
	while ((passed = vm_clock_ms() - rate->started_ms) < due &&
	    vm_proc_stopped() == 0 && !atomic_load(stop))
		vm_clock_wait(due - passed < WAIT_MS ? due - passed : WAIT_MS);
}
