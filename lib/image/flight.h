/*
 * flight.h - one download at a time of one source, for all processes.
 *
 * The first to take the lock named after the source fetches; the lock file
 * tells the others how far it has come, and they show that as their own
 * progress.  When it ends, or dies, the next one has the lock and finds the
 * image there, or fetches it.  The lock saves work only: two downloads at once
 * would do no harm.
 */
#ifndef VM_IMAGE_FLIGHT_H
#define VM_IMAGE_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"
#include "lib/store/store.h"

struct vm_flight {
	int lock_fd;	   /* -1: not ours */
	bool waited;	   /* another process had it first */
	bool silent;	   /* show nothing: it is one of several at once */
	uint64_t noted_ms; /* when the file was last written, */
	uint64_t noted;	   /* and what was done by then */
};

/*
 * Take the lock of `source`; another's progress is shown meanwhile, unless the
 * flight, all-zero otherwise, is silent.
 * VM_E_TRY_AGAIN "locked" after wait_ms (VM_LOCK_FOREVER), VM_E_INTERRUPTED.
 */
int vm_flight_begin(struct vm_store *store, const char *source,
    uint64_t wait_ms, struct vm_flight *flight, struct vm_error *err)
    VM_MUST_CHECK;

/* Show and tell how far we are; total UINT64_MAX when unknown. */
void vm_flight_note(struct vm_flight *flight, uint64_t done, uint64_t total);

void vm_flight_end(struct vm_flight *flight);
#define VM_CLEAN_FLIGHT VM_CLEAN(vm_flight_end)

#endif
