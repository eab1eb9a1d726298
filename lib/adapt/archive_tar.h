/*
 * archive_tar.h - the members of a tar file, one after the other (libarchive).
 *
 * A stream in, the members' bytes out, both by pulling: nothing is written to
 * a file, a name is only something to look at.  ustar, GNU and pax headers are
 * read, sparse members are given out with their zeros.  Refused as a whole is
 * an archive with anything in it but plain files and directories (links,
 * devices, fifos), with a name that leads out of its directory, is not printed
 * as it is or is there twice, or with too many members.  What is compressed is
 * unpacked before (archive.h): no filter is tried here.
 */
#ifndef VM_ADAPT_ARCHIVE_TAR_H
#define VM_ADAPT_ARCHIVE_TAR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/adapt/archive.h"

#define VM_TAR_HEAD 512 /* bytes that tell a tar file */
#define VM_TAR_MAX_MEMBERS 10000
#define VM_TAR_MAX_NAME 1024

struct vm_tar_member {
	const char *name; /* without ./; valid until the archive is closed */
	uint64_t size;	  /* bytes */
	bool is_directory;
};

struct vm_tar;

/* Do these first VM_TAR_HEAD bytes of a file say that it is a tar file? */
bool vm_tar_is(const void *head, size_t len);

struct vm_tar *vm_tar_open(vm_archive_pull *pull, void *context,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Go on to the next member (what was not read of the last is passed over): 1,
 * or 0 at the end.  VM_E_DATA "bad_archive" (damaged, cut off),
 * "archive_member" (not a plain file, a bad name), "too_many_members".
 */
int vm_tar_next(struct vm_tar *tar, struct vm_tar_member *member,
    struct vm_error *err) VM_MUST_CHECK;

/* The member's next bytes, as vm_archive_pull does it (context: tar). */
int vm_tar_read(void *tar, const void **data, size_t *len, struct vm_error *err)
    VM_MUST_CHECK;

void vm_tar_clean(struct vm_tar **tar); /* NULL in it is fine */
#define VM_CLEAN_TAR VM_CLEAN(vm_tar_clean)

#endif
