/*
 * archive.h - unpacking gz, xz, zst, bz2 and lz4 as they arrive (libarchive).
 *
 * One stream in, one stream out, both by pulling: nothing is named, nothing is
 * written to a file here.  What is not compressed passes through unchanged.
 * Only one layer is taken off, so that a few bytes cannot multiply twice.
 */
#ifndef VM_ADAPT_ARCHIVE_H
#define VM_ADAPT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

/*
 * Gives the next bytes of a stream: *data stays valid until the next call,
 * *len 0 is the end.
 */
typedef int vm_archive_pull(void *context, const void **data, size_t *len,
    struct vm_error *err);

struct vm_archive;

/*
 * Begin to unpack what pull gives; reads the beginning of it.  VM_E_DATA
 * "truncated" (nothing there), "bomb" (compressed twice), "bad_compression".
 */
struct vm_archive *vm_archive_open(vm_archive_pull *pull, void *context,
    struct vm_error *err) VM_MUST_CHECK;

/* Was there nothing to unpack?  Then what is read is what pull gives. */
bool vm_archive_is_plain(const struct vm_archive *archive);

/* The next unpacked bytes, as vm_archive_pull does it (context: archive). */
int vm_archive_read(void *archive, const void **data, size_t *len,
    struct vm_error *err) VM_MUST_CHECK;

void vm_archive_clean(struct vm_archive **archive); /* NULL in it is fine */
#define VM_CLEAN_ARCHIVE VM_CLEAN(vm_archive_clean)

#endif
