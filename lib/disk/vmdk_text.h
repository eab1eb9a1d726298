/*
 * vmdk_text.h - the descriptor of a VMDK: text that could name other files.
 *
 * Source: VMware, "Virtual Disk Format 5.0", "The Descriptor File".  Lines of
 * KEY=VALUE, and one per extent: ACCESS SECTORS TYPE "NAME".
 */
#ifndef VM_DISK_VMDK_TEXT_H
#define VM_DISK_VMDK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * Does a file that begins with these bytes look like a descriptor alone?  Its
 * first line that is neither empty nor a comment gives the version, one of the
 * others the type.
 */
bool vm_vmdk_is_text(const void *head, size_t len);

struct vm_vmdk_text {
	const char *text;
	size_t len;	  /* may end in zeros */
	size_t seen;	  /* how much other readers look through for a parent */
	const char *type; /* "monolithicSparse", "streamOptimized" */
	uint64_t sectors; /* of the disk */
	uint64_t slack;	  /* by less than which the extent may be smaller */
};

/*
 * There must be one extent, SPARSE, of the disk's size, named without a path.
 * VM_E_DATA "data_file", "backing_file", "feature" (another type),
 * "bad_descriptor".
 */
int vm_vmdk_text_check(const struct vm_vmdk_text *text, struct vm_error *err)
    VM_MUST_CHECK;

#endif
