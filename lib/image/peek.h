/*
 * peek.h - looking at the first bytes of a stream before reading it.
 */
#ifndef VM_IMAGE_PEEK_H
#define VM_IMAGE_PEEK_H

#include <stdbool.h>

#include "lib/adapt/archive.h"
#include "lib/base/buf.h"

/* pull and context are the caller's to set, the rest is all-zero before. */
struct vm_peek {
	vm_archive_pull *pull;
	void *context;
	struct vm_buf head;
	bool given; /* head has been given out */
};

/* Have at least want bytes in head, or all when there are fewer. */
int vm_peek_fill(struct vm_peek *peek, size_t want, struct vm_error *err)
    VM_MUST_CHECK;

/* The next bytes, from the first one on, as vm_archive_pull does it. */
int vm_peek_read(void *peek, const void **data, size_t *len,
    struct vm_error *err) VM_MUST_CHECK;

void vm_peek_release(struct vm_peek *peek);
#define VM_CLEAN_PEEK VM_CLEAN(vm_peek_release)

#endif
