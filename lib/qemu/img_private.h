/*
 * img_private.h - what img*.c share.
 */
#ifndef VM_QEMU_IMG_PRIVATE_H
#define VM_QEMU_IMG_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

/* What one run of qemu-img may read, write and use. */
struct vm_img_limits {
	int dir_fd;	  /* where it works */
	const char *from; /* in dir_fd; ".": all that is there */
	const char *to;	  /* in dir_fd */
	int to_fd;  /* passed on: to is a link to it, or a lock; 0: none */
	int out_fd; /* its standard output; 0: not looked at */
	uint64_t timeout_ms; /* 0: none, and no limit of CPU time */
	uint64_t file_bytes; /* 0: none */
	bool finishes;	     /* also when we do not, or shall not */
};

/* Run it in its sandbox; errors as vm_img_convert_raw(). */
int vm_img_run(const char *const *argv, const struct vm_img_limits *limits,
    struct vm_error *err) VM_MUST_CHECK;

#endif
