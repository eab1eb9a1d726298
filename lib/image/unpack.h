/*
 * unpack.h - a stream's contents, whatever it is packed in.
 *
 * xz has a module of its own, because it can use all cores (lzma_xz.h), and so
 * has gzip, because somebody must check its sums (inflate_gzip.h); the rest
 * goes through libarchive (archive.h).
 */
#ifndef VM_IMAGE_UNPACK_H
#define VM_IMAGE_UNPACK_H

#include "lib/adapt/archive.h"
#include "lib/adapt/inflate_gzip.h"
#include "lib/adapt/lzma_xz.h"
#include "lib/image/peek.h"

struct vm_unpack {
	struct vm_peek peek;	    /* at the packed bytes */
	struct vm_archive *archive; /* one of these three */
	struct vm_gzip *gzip;
	struct vm_xz *xz;
};

/*
 * Read the beginning of what pull gives; *unpack (all-zero before) keeps
 * pointers into itself.
 */
int vm_unpack_open(struct vm_unpack *unpack, vm_archive_pull *pull,
    void *context, struct vm_error *err) VM_MUST_CHECK;

/* The next bytes, as vm_archive_pull does it (context: unpack). */
int vm_unpack_read(void *unpack, const void **data, size_t *len,
    struct vm_error *err) VM_MUST_CHECK;

/* Was there nothing to unpack?  Then these are the stream's own bytes. */
bool vm_unpack_is_plain(const struct vm_unpack *unpack);

void vm_unpack_release(struct vm_unpack *unpack);
#define VM_CLEAN_UNPACK VM_CLEAN(vm_unpack_release)

#endif
