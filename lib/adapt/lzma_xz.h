/*
 * lzma_xz.h - unpacking xz on all cores (liblzma), with a limit on memory.
 *
 * An .xz file that was made in blocks (xz -T) is unpacked block by block in
 * parallel as far as the memory goes, any other by one thread.  The interface
 * is that of archive.h.
 */
#ifndef VM_ADAPT_LZMA_XZ_H
#define VM_ADAPT_LZMA_XZ_H

#include <stdbool.h>

#include "lib/adapt/archive.h"

struct vm_xz;

/* Do these first bytes of a file say that it is xz? */
bool vm_xz_is(const void *data, size_t len);

/* Begin to unpack what pull gives. */
struct vm_xz *vm_xz_open(vm_archive_pull *pull, void *context,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The next unpacked bytes, as vm_archive_pull does it (context: xz).  VM_E_DATA
 * "bad_compression" (damaged, cut off), "bomb" (a dictionary beyond reason).
 */
int vm_xz_read(void *xz, const void **data, size_t *len, struct vm_error *err)
    VM_MUST_CHECK;

void vm_xz_clean(struct vm_xz **xz); /* NULL in it is fine */

#endif
