/*
 * fetch.h - one source into the store, once.
 *
 * What is there is not asked for again: a pinned digest that the store has
 * needs no request, nor does a source that was fetched before, unless it shall
 * be refreshed; then a conditional request asks whether there is a new
 * generation.  Every source has an alias whose generations are what it has been
 * over time; a fetch makes its image the current one.
 */
#ifndef VM_IMAGE_FETCH_H
#define VM_IMAGE_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/source/reach.h"
#include "lib/source/source.h"
#include "lib/image/trust.h"
#include "lib/store/alias.h"
#include "lib/store/store.h"

#define VM_FETCH_MAX_BYTES ((uint64_t)2 << 40) /* unless --max-size */

struct vm_fetch_options {
	const char *alias; /* -a; NULL: the source's own */
	struct vm_reach reach;
	enum vm_verify verify;
	uint64_t max_bytes;    /* virtual; 0: VM_FETCH_MAX_BYTES */
	uint64_t lock_wait_ms; /* for another's download */
	bool no_part;	       /* keep nothing of one that breaks off */
	bool refresh;	       /* ask the origin again */
	bool must_refresh;     /* and no answer is a failure */
	bool offline;	       /* only what the store has */
	const char *lock_file; /* --lock, or NULL */
	bool locked;	       /* only what stands in it */
	bool is_one_of_many;   /* at once: it shows no progress of its own */
	bool dry_run;
};

struct vm_fetched {
	struct vm_alias alias; /* name, generation, id */
	uint64_t virtual_size; /* bytes */
	bool absent;	       /* dry run: it would be fetched */
};

/*
 * Have it there.  VM_E_NO_INPUT "image_not_found" (pull: never), VM_E_DENIED
 * "insecure" (http without a digest), and what vm_stream_open(),
 * vm_master_build() and the store say; messages begin with the source.
 */
int vm_fetch_source(struct vm_store *store, const struct vm_source *source,
    const struct vm_fetch_options *options, struct vm_fetched *fetched,
    struct vm_error *err) VM_MUST_CHECK;

#endif
