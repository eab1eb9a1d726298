/*
 * pull.h - bytes for what reads by pulling (lib/adapt/archive.h): the output
 * of a shell command, or memory, given out in pieces of any size.
 */
#ifndef TEST_PULL_H
#define TEST_PULL_H

#include <stdio.h>

#include "lib/base/error.h"

struct test_stream {
	FILE *from;	   /* popen(3)ed; closed by the test */
	size_t piece;	   /* bytes */
	size_t fail_after; /* pieces; 0: never */
	char data[65536];
};

static inline int
test_pull(void *context, const void **data, size_t *len, struct vm_error *err)
{
	struct test_stream *stream = context;

	if (stream->fail_after > 0 && --stream->fail_after == 0)
		return vm_error_set(err, VM_E_UNAVAILABLE, "gone", "gone");
	*len = fread(stream->data, 1, stream->piece, stream->from);
	*data = stream->data;
	return 0;
}

struct test_memory {
	const unsigned char *data;
	size_t left, piece; /* bytes */
};

static inline int
test_pull_memory(void *context, const void **data, size_t *len,
    struct vm_error *err)
{
	struct test_memory *memory = context;

	(void)err;
	*data = memory->data;
	*len = memory->left < memory->piece ? memory->left : memory->piece;
	memory->data += *len;
	memory->left -= *len;
	return 0;
}

#endif
