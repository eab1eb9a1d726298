/*
 * document.h - the small files around an image: checksums, signatures, keys.
 */
#ifndef VM_SOURCE_DOCUMENT_H
#define VM_SOURCE_DOCUMENT_H

#include "lib/base/buf.h"
#include "lib/source/reach.h"
#include "lib/source/source.h"

#define VM_DOCUMENT_MAX ((size_t)1 << 20)

/*
 * Read the URL or path.  Credentials are sent only where the image comes from.
 * VM_E_NO_INPUT "not_found"; messages name it, without its password.
 */
int vm_document_read(const struct vm_source *source,
    const struct vm_reach *reach, const char *where, struct vm_buf *buf,
    struct vm_error *err) VM_MUST_CHECK;

/* The same of a longer one; source NULL: beside no image. */
int vm_document_read_long(const struct vm_source *source,
    const struct vm_reach *reach, const char *where, size_t max,
    struct vm_buf *buf, struct vm_error *err) VM_MUST_CHECK;

/* Where the file of this name beside the image is: the caller's. */
char *vm_document_beside(const struct vm_source *source, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/* Could anybody on the way change it? */
bool vm_document_is_plain(const char *where, const struct vm_reach *reach);

/* The URL or path as it may be shown: the caller's. */
char *vm_document_show(const char *where, struct vm_error *err) VM_MUST_CHECK;

#endif
