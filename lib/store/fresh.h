/*
 * fresh.h - the system disk of a clone, new: as its record says.
 *
 * A record's disks[0] has "path", "mode" and "size", and what was asked for
 * besides:
 *
 *	overlay		an empty qcow2 file on the top of the chain; may have
 *			"cluster_size" (bytes), "lazy_refcounts", "extended_l2"
 *	reflink		a raw file that shares all blocks of the master
 *	copy		a raw file with the master's data, its holes kept
 *
 * The raw ones stand on nothing, so no file of the chain is linked for them.
 */
#ifndef VM_STORE_FRESH_H
#define VM_STORE_FRESH_H

#include <stdbool.h>

#include "lib/adapt/json.h"
#include "lib/store/chain.h"

/* Is it a raw disk, which stands on nothing? */
bool vm_fresh_is_raw(const struct vm_json *disk);

/*
 * Set path and format, which follow from mode ("overlay" when there is none),
 * and size.
 */
int vm_fresh_describe(struct vm_json *disk, uint64_t size_bytes,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Make the file of a disk that has been described, in an object that is being
 * built, in the place of one from a try that failed; sealed (0600).  copy_ok:
 * what cannot be a reflink becomes a copy, and its mode says so.  VM_E_USAGE
 * "bad_size" or "bad_overlay", VM_E_UNAVAILABLE "no_reflink", VM_E_NO_INPUT
 * "image_not_found" (it is gone since the chain was opened), VM_E_IO,
 * VM_E_INTERRUPTED.
 */
int vm_fresh_make(struct vm_publish *publish, const struct vm_chain *chain,
    struct vm_json *disk, bool copy_ok, struct vm_error *err) VM_MUST_CHECK;

/* Hard-link the chain, if the disk stands on it; either way it was used. */
int vm_fresh_link(struct vm_publish *publish, const struct vm_chain *chain,
    const struct vm_json *disk, struct vm_error *err) VM_MUST_CHECK;

#endif
