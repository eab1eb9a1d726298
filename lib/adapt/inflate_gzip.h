/*
 * inflate_gzip.h - unpacking gzip files (zlib), each member's CRC checked.
 *
 * libarchive unpacks them too, but never looks at the CRC-32 and the length
 * behind the data (RFC 1952 section 2.3.1), so that it takes damaged files for
 * good ones.  Members may follow one another, and zeros may follow the last,
 * as gzip(1) has it.  The interface is that of archive.h.
 */
#ifndef VM_ADAPT_INFLATE_GZIP_H
#define VM_ADAPT_INFLATE_GZIP_H

#include <stdbool.h>

#include "lib/adapt/archive.h"

struct vm_gzip;

/* Do these first bytes of a file say that it is gzip's? */
bool vm_gzip_is(const void *data, size_t len);

/* Begin to unpack what pull gives. */
struct vm_gzip *vm_gzip_open(vm_archive_pull *pull, void *context,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The next unpacked bytes, as vm_archive_pull does it (context: gzip).
 * VM_E_DATA "bad_compression" (damaged, cut off, followed by something else).
 */
int vm_gzip_read(void *gzip, const void **data, size_t *len,
    struct vm_error *err) VM_MUST_CHECK;

void vm_gzip_clean(struct vm_gzip **gzip); /* NULL in it is fine */

#endif
