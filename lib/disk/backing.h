/*
 * backing.h - what a qcow2 file of the store stands on, from its header.
 *
 * Source: QEMU docs/interop/qcow2.rst, "Header" and "Header extensions".  Only
 * files that we or QEMU wrote as qcow2 are looked at here; a guest can change
 * the clusters of its disk but not its header.  Even so nothing is followed:
 * the caller gets a name and a format and decides.
 */
#ifndef VM_DISK_BACKING_H
#define VM_DISK_BACKING_H

#include "lib/base/error.h"

#define VM_CHAIN_MAX 16 /* files that a disk may stand on */

struct vm_backing {
	char file[256];	 /* "" when it stands on nothing */
	char format[16]; /* "raw" or "qcow2" */
};

/*
 * VM_E_DATA "bad_overlay": not qcow2 version 2 or 3, a name that is no plain
 * file name (empty, "/", ":", control characters), a format that is not given
 * or is neither raw nor qcow2, an external data file.
 */
int vm_backing_read(int fd, struct vm_backing *backing, struct vm_error *err)
    VM_MUST_CHECK;

#endif
