/*
 * copy.h - a full copy of a disk file that keeps its holes.
 *
 * Where the file system can (XFS, btrfs), the copy shares its blocks with the
 * original and takes no room until it is written to: ioctl_ficlone(2).  Else
 * the data is copied extent by extent inside the kernel: copy_file_range(2).
 */
#ifndef VM_DISK_COPY_H
#define VM_DISK_COPY_H

#include <stdbool.h>

#include "lib/base/error.h"

/*
 * Copy all of `from` to `to`, an empty file.  VM_E_IO, VM_E_INTERRUPTED; `to`
 * is then useless.
 */
int vm_copy_sparse(int from, int to, struct vm_error *err) VM_MUST_CHECK;

/*
 * The same, by sharing the blocks or not at all: VM_E_UNAVAILABLE "no_reflink"
 * where that cannot be done, VM_E_EXISTS "cross_device" between two file
 * systems; `to` is then as it was.
 */
int vm_copy_share(int from, int to, struct vm_error *err) VM_MUST_CHECK;

#endif
