/*
 * master.h - from a stream to a master: unpacked, inspected, rewritten.
 *
 * Raw bytes go straight into the sparse master while they arrive.  A qcow2
 * file is kept as it is until all of it is there and its digest is right; then
 * our own reader looks at every table of it, and only then does qemu-img, in
 * its sandbox, turn it into the master.
 */
#ifndef VM_IMAGE_MASTER_H
#define VM_IMAGE_MASTER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/image/stream.h"
#include "lib/store/publish.h"

struct vm_master_options {
	uint64_t max_virtual_bytes;
	bool any_ratio;	    /* the user set the limit: no other one */
	const char *format; /* "raw", "qcow2": what it must be; or NULL */
};

struct vm_master {
	struct vm_stream_result stream;
	const char *format;    /* that it was published in */
	uint64_t virtual_size; /* bytes */
};

/*
 * Read the stream to its end and build <id>.raw (0444) and chunks in publish.
 * When the server says that nothing has changed (stream.reply.not_modified)
 * nothing is built.  VM_E_DATA "digest_mismatch" before any other complaint
 * about the data; "format_mismatch", "bomb", "virtual_size", "truncated",
 * "bad_compression", and what inspect.h refuses; VM_E_IO "no_space".
 */
int vm_master_build(struct vm_publish *publish, struct vm_stream *stream,
    const struct vm_master_options *options, struct vm_master *master,
    struct vm_error *err) VM_MUST_CHECK;

#endif
