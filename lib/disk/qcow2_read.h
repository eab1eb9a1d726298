/*
 * qcow2_read.h - a qcow2 file becomes a raw master while it arrives.
 *
 * Theory of operation.  The caller saves the file and tells how far it has
 * come.  A few workers make the master's chunks, not in the order of the disk
 * but in that of the file: each chunk waits in a heap for the bytes that it
 * needs, first those of its L2 tables, then, when these have said where it is,
 * those of its data.  So an image whose tables come last is made at the end,
 * and one written in order is done as its last bytes come.  A worker reads or
 * unpacks the clusters of its chunk, digests it and writes what is not zero.
 *
 * Nothing in the file is trusted, and nobody has looked at the whole of it yet:
 * a worker writes inside the virtual size only, and waits when more has been
 * made than the caller allows, so that a small file cannot fill a disk.  What
 * has been made is worth something only after check.h has passed the file.
 */
#ifndef VM_DISK_QCOW2_READ_H
#define VM_DISK_QCOW2_READ_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/clean.h"
#include "lib/base/error.h"

struct vm_qcow2_read;

/*
 * Begin: from the file `from`, which may still be empty, to `to`, an empty
 * regular file.  Both stay the caller's and must be there until the end.
 */
struct vm_qcow2_read *vm_qcow2_read_open(int from, int to,
    uint64_t max_virtual_bytes, struct vm_error *err) VM_MUST_CHECK;

/*
 * `arrived` bytes of the file are there and will not change, and no more than
 * `allowed` bytes of data may be made of them so far.  -1 when it has failed:
 * VM_E_DATA as in check.h, "bad_compression"; VM_E_IO.
 */
int vm_qcow2_read_advance(struct vm_qcow2_read *reader, uint64_t arrived,
    uint64_t allowed, struct vm_error *err) VM_MUST_CHECK;

/*
 * All of the file is there, and check.h has passed it: wait for the rest of
 * the work and append the chunks' text (chunks.h).  `to` is not synced.
 */
int vm_qcow2_read_finish(struct vm_qcow2_read *reader, struct vm_buf *chunks,
    struct vm_error *err) VM_MUST_CHECK;

/* Stop and free; `to` is left as it is. */
void vm_qcow2_read_clean(struct vm_qcow2_read **reader);
#define VM_CLEAN_QCOW2_READ VM_CLEAN(vm_qcow2_read_clean)

#endif
