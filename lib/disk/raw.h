/*
 * raw.h - sparse raw masters, with a digest for each chunk of them.
 *
 * Theory of operation.  The bytes of a master arrive in order, are gathered
 * into chunks of 4 MiB and handed to a few workers; each finds what is zero
 * (left as a hole), digests the chunk with SHA-256, writes what is not zero at
 * its offset and asks the kernel to begin writing it out, so that the fsync at
 * the end has little left to do.  Digests, writing and whatever produces the
 * bytes overlap.
 */
#ifndef VM_DISK_RAW_H
#define VM_DISK_RAW_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

struct vm_raw;

/* Write to fd, an empty regular file at 0 that stays the caller's. */
struct vm_raw *vm_raw_open(int fd, struct vm_error *err) VM_MUST_CHECK;

/* Append bytes; an earlier write's failure (VM_E_IO ...) shows here. */
int vm_raw_add(struct vm_raw *raw, const void *data, size_t len,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Wait for all writes, set the file's size and append the chunks' text
 * (chunks.h) to `chunks`.  size_bytes gets how many were added.  Not synced.
 */
int vm_raw_finish(struct vm_raw *raw, uint64_t *size_bytes,
    struct vm_buf *chunks, struct vm_error *err) VM_MUST_CHECK;

/* Stop the workers and free; the file is left as it is. */
void vm_raw_clean(struct vm_raw **raw);
#define VM_CLEAN_RAW VM_CLEAN(vm_raw_clean)

/*
 * The same text for a file that somebody else has written, read by several
 * threads; holes cost nothing.
 */
int vm_raw_scan(int fd, uint64_t size_bytes, struct vm_buf *chunks,
    struct vm_error *err) VM_MUST_CHECK;

#endif
