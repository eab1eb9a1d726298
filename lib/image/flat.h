/*
 * flat.h - the way of raw bytes: written to the master as they come.
 *
 * A fixed VHD is a raw disk with a footer behind it, so the last bytes of what
 * looks raw are held back until it is known what they are; a footer's disk is
 * published without it.
 */
#ifndef VM_IMAGE_FLAT_H
#define VM_IMAGE_FLAT_H

#include "lib/image/build.h"

/*
 * Sets build->chunks, inspect and ended, fills build->disk.  Errors as
 * vm_stream_finish(), vm_inspect_tail(), vm_inspect_file(), and VM_E_DATA
 * "format_mismatch".
 */
int vm_flat_write(struct vm_build *build, struct vm_error *err) VM_MUST_CHECK;

#endif
