/*
 * master.h - from a disk's bytes to a master: inspected, rewritten.
 *
 * Raw bytes go straight into the sparse master while they arrive, and so does
 * the data of a qcow2 file (rewrite.h).  Files of other formats are kept as
 * they are; qemu-img, in its sandbox, turns them into the master.  Before that,
 * and before anything becomes a master, all bytes are there, their digest is
 * right and our own readers have looked at every table.
 */
#ifndef VM_IMAGE_MASTER_H
#define VM_IMAGE_MASTER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/adapt/archive.h"
#include "lib/source/stream.h"
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
	bool is_plain;		  /* these are the stream's own bytes */
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

/* How many bytes may become of what was read of the stream. */
uint64_t vm_master_allowance(const struct vm_stream *stream,
    const struct vm_master_options *options);

/* Are they no more than that?  VM_E_DATA "virtual_size", "bomb". */
int vm_master_check_ratio(const struct vm_stream *stream,
    const struct vm_master_options *options, uint64_t bytes,
    struct vm_error *err) VM_MUST_CHECK;

#endif
