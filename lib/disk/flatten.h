/*
 * flatten.h - all that a disk holds, as one file that stands on nothing.
 */
#ifndef VM_DISK_FLATTEN_H
#define VM_DISK_FLATTEN_H

#include "lib/disk/overlay.h"

/*
 * Write what the guest sees to `to`, an empty regular file, as "raw" or
 * "qcow2"; what is zero takes no space.  The same disk gives the same bytes.
 * Progress is shown under `name`.  VM_E_USAGE "bad_size" (no disk of QEMU's),
 * VM_E_IO, and as vm_overlay_read().
 */
int vm_flatten(struct vm_overlay *disk, const char *format, int to,
    const char *name, struct vm_error *err) VM_MUST_CHECK;

#endif
