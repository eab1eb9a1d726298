/*
 * rewrite.h - the way of qcow2: rewritten by our own reader while it arrives.
 *
 * The file is spooled, because its tables may say anything about the order of
 * its data, and read by the reader (qcow2_read.h) as it grows; a download that
 * is kept for a later try (part.h) is its own spool.  When all of it
 * is there and its digest is right, the whole file is inspected; only then does
 * what the reader has made become a master.
 */
#ifndef VM_IMAGE_REWRITE_H
#define VM_IMAGE_REWRITE_H

#include "lib/image/build.h"

/*
 * Sets build->chunks, inspect and ended, fills build->disk.  Errors as
 * vm_stream_finish(), vm_inspect_file() and vm_qcow2_read_finish().
 */
int vm_rewrite_qcow2(struct vm_build *build, struct vm_error *err)
    VM_MUST_CHECK;

#endif
