/*
 * master.h - from a disk's bytes to a master: inspected, rewritten.
 *
 * Raw bytes go straight into the sparse master while they arrive.  Files of
 * other formats are kept as they are until all of it is there and the digest is
 * right; then our own readers look at every table, and only then does qemu-img,
 * in its sandbox, turn the file into the master.
 */
#ifndef VM_IMAGE_MASTER_H
#define VM_IMAGE_MASTER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/adapt/archive.h"
#include "lib/image/stream.h"
#include "lib/store/publish.h"

struct vm_master_options {
	uint64_t max_virtual_bytes;
	bool any_ratio;	    /* the user set the limit: no other one */
	const char *format; /* what it must be, as inspect.h; or NULL */
};

/* Where a master's bytes come from, unpacked. */
struct vm_master_input {
	vm_archive_pull *pull;
	void *context;
	struct vm_stream *stream; /* that they are from */
	bool is_member;		  /* there is more in it */
};

struct vm_master {
	const char *format;    /* that it was published in */
	uint64_t virtual_size; /* bytes */
};

/*
 * Read the input to its end and build the master and its chunks in publish,
 * sealed; it has no name yet.  Unless it is a member of something larger, the
 * stream is at its end then and has the digest that it shall have, before
 * another program reads any of it.  VM_E_DATA "digest_mismatch",
 * "format_mismatch", "bomb", "virtual_size", "truncated", "bad_compression",
 * and what inspect.h refuses; VM_E_IO "no_space".
 */
int vm_master_build(struct vm_publish *publish,
    const struct vm_master_input *input,
    const struct vm_master_options *options, struct vm_master *master,
    struct vm_error *err) VM_MUST_CHECK;

/* The master that was built there gets its name, <id>.raw. */
int vm_master_name(struct vm_publish *publish, const char *id,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * May what was read of the stream become so many bytes?  VM_E_DATA
 * "virtual_size", "bomb".
 */
int vm_master_check_ratio(const struct vm_stream *stream,
    const struct vm_master_options *options, uint64_t bytes,
    struct vm_error *err) VM_MUST_CHECK;

#endif
