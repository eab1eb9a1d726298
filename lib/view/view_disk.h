/*
 * view_disk.h - what disk files take up, and who shares them.
 */
#ifndef VM_VIEW_VIEW_DISK_H
#define VM_VIEW_VIEW_DISK_H

#include <stdint.h>

#include "lib/base/error.h"

struct vm_view_disk {
	uint64_t used;	/* bytes allocated to its own file */
	uint64_t refer; /* and to all it stands on, beside it */
	uint64_t links; /* names of its own file */
};

/*
 * The object in directory dirfd whose own file is `file`; what it stands on
 * are the other .raw and .qcow2 files there.  A file that is not there counts
 * nothing.
 */
int vm_view_disk_measure(int dirfd, const char *file, struct vm_view_disk *disk,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Of a file that was made by sharing another's blocks (a reflink): the bytes
 * that it shares no longer.  Where the file system does not tell, all.
 */
int vm_view_disk_own(int dirfd, const char *file, uint64_t *bytes,
    struct vm_error *err) VM_MUST_CHECK;

#endif
