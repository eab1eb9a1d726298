/*
 * argv.h - an argument vector that grows.
 *
 * Always NULL-terminated once something was added; all-zero is an empty one.
 */
#ifndef VM_HOST_ARGV_H
#define VM_HOST_ARGV_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

struct vm_argv {
	char **items;
	size_t count;
};

/* Add words (ending with NULL), as they are. */
int vm_argv_add(struct vm_argv *argv, struct vm_error *err, ...)
    __attribute__((sentinel)) VM_MUST_CHECK;

/* Add option and its formatted value. */
int vm_argv_option(struct vm_argv *argv, struct vm_error *err,
    const char *option, const char *format, ...) VM_PRINTF(4, 5) VM_MUST_CHECK;

/* Append it as one line for a shell, words quoted where they must be. */
int vm_argv_format(const struct vm_argv *argv, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

void vm_argv_release(struct vm_argv *argv);
#define VM_CLEAN_ARGV VM_CLEAN(vm_argv_release)

#endif
