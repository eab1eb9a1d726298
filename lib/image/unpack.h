/*
 * unpack.h - a stream's contents, whatever it is packed in.
 *
 * xz has a module of its own, because it can use all cores (lzma_xz.h); the
 * rest goes through libarchive (archive.h).
 */
#ifndef VM_IMAGE_UNPACK_H
#define VM_IMAGE_UNPACK_H

#include "lib/adapt/archive.h"
#include "lib/adapt/lzma_xz.h"
#include "lib/image/stream.h"

struct vm_unpack {
	struct vm_stream *stream;
	const void *first; /* block, looked at, not yet given */
	size_t first_len;
	struct vm_archive *archive; /* one of these two */
	struct vm_xz *xz;
};

/* Read the beginning; *unpack (all-zero before) keeps pointers into itself. */
int vm_unpack_open(struct vm_unpack *unpack, struct vm_stream *stream,
    struct vm_error *err) VM_MUST_CHECK;

/* The next bytes, as vm_archive_pull does it. */
int vm_unpack_read(struct vm_unpack *unpack, const void **data, size_t *len,
    struct vm_error *err) VM_MUST_CHECK;

void vm_unpack_release(struct vm_unpack *unpack);

#endif
