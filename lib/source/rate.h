/*
 * rate.h - no more bytes a second than the user allows, over all connections.
 *
 * libcurl's own limit lets 25 MB through before it looks at the clock.
 */
#ifndef VM_SOURCE_RATE_H
#define VM_SOURCE_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm_rate {
	uint64_t max; /* bytes a second; 0: any */
	uint64_t started_ms;
	_Atomic uint64_t received; /* bytes since then */
};

/* From now on. */
void vm_rate_start(struct vm_rate *rate, uint64_t max);

/*
 * len bytes have come: wait until so much may have; until `stop` is set or a
 * signal comes at the latest.  Safe to call from several threads.
 */
void vm_rate_keep(struct vm_rate *rate, size_t len, const atomic_bool *stop);

#endif
