/*
 * chunks.h - the chunks of a master: their digests, and writing them sparsely.
 *
 * A master is cut into chunks of 4 MiB.  Several threads may make different
 * chunks at once; the list is made large enough before.  Its text is
 * "vmpipe-chunks 1 sha256 4194304 SIZE", then one line per chunk: 64 hex
 * digits, or "-" for a chunk of zeros only.
 */
#ifndef VM_DISK_CHUNKS_H
#define VM_DISK_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/base/buf.h"
#include "lib/base/clean.h"
#include "lib/base/error.h"

#define VM_CHUNK ((uint64_t)4 << 20)
#define VM_CHUNK_HOLE ((size_t)64 << 10) /* what is looked at for zeros */
#define VM_CHUNK_WORKERS_MAX 4

struct vm_chunks {
	char **hex; /* NULL: only zeros */
	size_t count;
};

/* How many chunks so many bytes have. */
uint64_t vm_chunks_of(uint64_t size_bytes);

/* How many threads to make chunks with: the cores, within reason. */
size_t vm_chunks_workers(void);

/* Make room for `count` chunks; new ones are zeros. */
int vm_chunks_grow(struct vm_chunks *chunks, size_t count, struct vm_error *err)
    VM_MUST_CHECK;

/* Nothing but zeros, len of them (not 0)? */
bool vm_chunks_is_zero(const void *data, size_t len);

/*
 * The digest of one chunk, len bytes, in *hex, the caller's; NULL when it is
 * all zeros.  The hash is as new before and after.
 */
int vm_chunks_digest(struct vm_hash *hash, const void *data, size_t len,
    char **hex, struct vm_error *err) VM_MUST_CHECK;

/*
 * Write what is not zero of a chunk to its place in fd, a sparse file, and let
 * the kernel begin to write it out, so that the fsync at the end has little
 * left to do.
 */
int vm_chunks_write(int fd, uint64_t index, const void *data, size_t len,
    struct vm_error *err) VM_MUST_CHECK;

/* Append the list as text. */
int vm_chunks_format(const struct vm_chunks *chunks, uint64_t size_bytes,
    struct vm_buf *out, struct vm_error *err) VM_MUST_CHECK;

void vm_chunks_release(struct vm_chunks *chunks);
#define VM_CLEAN_CHUNKS VM_CLEAN(vm_chunks_release)

#endif
