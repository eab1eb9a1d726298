/*
 * stream.h - a source's bytes, hashed while they arrive.
 *
 * Theory of operation.  Three threads in a row: the first reads the source,
 * the second digests what it has read, the third is the caller, who pulls.
 * Blocks of a fixed pool go round between them, so the memory is bounded, and
 * a slow reader slows the server down instead of filling ours up.  Whoever
 * fails stops the queues; the first failure is the one reported.
 */
#ifndef VM_SOURCE_STREAM_H
#define VM_SOURCE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/base/clean.h"
#include "lib/base/error.h"
#include "lib/source/mirror.h"
#include "lib/source/part.h"
#include "lib/source/source.h"

struct vm_stream_options {
	const struct vm_source *source;
	const struct vm_reach *reach;
	struct vm_part *part;	     /* of http sources, or NULL */
	struct vm_mirrors *mirrors;  /* of http sources */
	const char *etag, *modified; /* of what we have, or NULL */
	uint64_t max_bytes;	     /* more is VM_E_DATA "too_large" */
	uint64_t free_bytes;	     /* more is VM_E_IO "no_space" */
	/* called by the reading thread, total VM_HTTP_UNKNOWN or bytes */
	void (*progress)(void *context, uint64_t done, uint64_t total);
	void *context;
};

/* What is known when everything has been read. */
struct vm_stream_result {
	uint64_t size_bytes;
	char sha256[VM_HASH_MAX_HEX], sha512[VM_HASH_MAX_HEX];
	struct vm_http_reply reply; /* of http sources */
	int64_t mtime_ns;	    /* of files */
};

struct vm_stream;

/* Open a file and start, or only start to ask the server. */
struct vm_stream *vm_stream_open(const struct vm_stream_options *options,
    struct vm_error *err) VM_MUST_CHECK;

/* As vm_archive_pull: the next bytes, valid until the next call. */
int vm_stream_read(void *stream, const void **data, size_t *len,
    struct vm_error *err) VM_MUST_CHECK;

/* Bytes that vm_stream_read() has given out so far. */
uint64_t vm_stream_position(const struct vm_stream *stream);

/*
 * A file, the stream's, that has the bytes which have been given out and will
 * be, each at its place; -1: there is none.  At least a byte has been read.
 */
int vm_stream_lend(struct vm_stream *stream);

/* Is the source pinned to a digest? */
bool vm_stream_is_pinned(const struct vm_stream *stream);

/*
 * After the end was read (a rest is read and digested here): what it was.  A
 * digest that the source is pinned to and does not have: VM_E_DATA
 * "digest_mismatch".
 */
int vm_stream_finish(struct vm_stream *stream, struct vm_stream_result *result,
    struct vm_error *err) VM_MUST_CHECK;

/* End it at once, wherever it is, and free. */
void vm_stream_clean(struct vm_stream **stream);
#define VM_CLEAN_STREAM VM_CLEAN(vm_stream_clean)

#endif
