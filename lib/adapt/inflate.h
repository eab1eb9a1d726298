/*
 * inflate.h - one compressed block into a buffer of known size.
 *
 * What qcow2 has in its compressed clusters: raw deflate data or zstd frames,
 * followed by bytes that belong to somebody else.  Memory does not depend on
 * the data: both unpack straight into the caller's buffer.
 */
#ifndef VM_ADAPT_INFLATE_H
#define VM_ADAPT_INFLATE_H

#include <stddef.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

enum vm_inflate_type { VM_INFLATE_DEFLATE, VM_INFLATE_ZSTD };

/* One unpacker, for one thread at a time. */
struct vm_inflate;

struct vm_inflate *vm_inflate_new(enum vm_inflate_type type,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Unpack exactly out_len bytes from the beginning of `in`.  VM_E_DATA
 * "bad_compression": it is damaged, or holds fewer bytes or more; `out` is
 * worthless then.
 */
int vm_inflate_block(struct vm_inflate *inflate, const void *in, size_t in_len,
    void *out, size_t out_len, struct vm_error *err) VM_MUST_CHECK;

void vm_inflate_clean(struct vm_inflate **inflate);
#define VM_CLEAN_INFLATE VM_CLEAN(vm_inflate_clean)

#endif
