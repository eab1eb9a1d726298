/*
 * buf.h - a growing byte buffer with a cap.
 *
 * All-zero is an empty buffer with the default cap.  The data is always
 * followed by a NUL that is not counted, so that text can be used as a string;
 * data is NULL only while nothing was ever added.
 */
#ifndef VM_BASE_BUF_H
#define VM_BASE_BUF_H

#include <stddef.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

#define VM_BUF_DEFAULT_MAX ((size_t)64 << 20)

struct vm_buf {
	char *data;
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* largest len allowed; 0: the default */
};

/* Append; VM_E_SYSTEM "no_memory" or VM_E_DATA "too_large": unchanged then. */
int vm_buf_add(struct vm_buf *buf, const void *data, size_t len,
    struct vm_error *err) VM_MUST_CHECK;
int vm_buf_add_string(struct vm_buf *buf, const char *s, struct vm_error *err)
    VM_MUST_CHECK;
int vm_buf_format(struct vm_buf *buf, struct vm_error *err, const char *format,
    ...) VM_PRINTF(3, 4) VM_MUST_CHECK;

/* Make room for len more bytes at data + len, without counting them. */
int vm_buf_reserve(struct vm_buf *buf, size_t len, struct vm_error *err)
    VM_MUST_CHECK;

/* Drop the first n bytes. */
void vm_buf_consume(struct vm_buf *buf, size_t n);

/* Empty it, keep the memory. */
void vm_buf_reset(struct vm_buf *buf);

/* The string, owned by the caller (never NULL on success); buf is empty. */
char *vm_buf_take(struct vm_buf *buf, struct vm_error *err) VM_MUST_CHECK;

void vm_buf_release(struct vm_buf *buf);

#define VM_CLEAN_BUF VM_CLEAN(vm_buf_release)

/* A formatted string of its own, or NULL with VM_E_SYSTEM. */
char *vm_buf_printf(struct vm_error *err, const char *format, ...)
    VM_PRINTF(2, 3) VM_MUST_CHECK;

#endif
