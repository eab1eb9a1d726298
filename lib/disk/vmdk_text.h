/*
 * vmdk_text.h - the descriptor of a VMDK: text that could name other files.
 *
 * Source: VMware, "Virtual Disk Format 5.0", "The Descriptor File".  Lines of
 * KEY=VALUE, and one per extent: ACCESS SECTORS TYPE "NAME".
 */
#ifndef VM_DISK_VMDK_TEXT_H
#define VM_DISK_VMDK_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * Check the len bytes of text (they may end in zeros) of a disk of
 * `sectors`, given its type ("monolithicSparse", "streamOptimized").  There
 * must be one extent, SPARSE, of a size that differs by less than `slack`
 * sectors, named without a path.  VM_E_DATA "data_file", "backing_file",
 * "feature" (another type), "bad_descriptor".
 */
int vm_check_vmdk_text(const char *text, size_t len, const char *type,
    uint64_t sectors, uint64_t slack, struct vm_error *err) VM_MUST_CHECK;

#endif
