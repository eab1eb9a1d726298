/*
 * copy.h - a full copy of a disk file that keeps its holes.
 *
 * The file system shares the blocks where it can (FICLONE; ioctl_ficlone(2)),
 * else the data is copied extent by extent inside the kernel.
 */
#ifndef VM_DISK_COPY_H
#define VM_DISK_COPY_H

#include "lib/base/error.h"

/* Copy all of `from` to `to`, an empty file.  VM_E_IO; `to` is then useless. */
int vm_copy_sparse(int from, int to, struct vm_error *err) VM_MUST_CHECK;

#endif
