/*
 * vmdk.h - is a VMDK file of unknown origin harmless and whole?
 *
 * Sources: VMware, "Virtual Disk Format 5.0"; QEMU block/vmdk.c for what is
 * read and what is ignored there.  A header, a descriptor in text, a directory
 * of tables, and grains, in a stream-optimized file each behind its number and
 * length and deflated.  Accepted are disks in one file, monolithicSparse and
 * streamOptimized, without a parent and without any path in the descriptor.
 * Memory is a bit per sector and two tables.
 */
#ifndef VM_DISK_VMDK_H
#define VM_DISK_VMDK_H

#include <stdint.h>

#include "lib/base/error.h"
#include "lib/disk/check.h"

/*
 * Check the VMDK file of file_size bytes.  VM_E_DATA "data_file" (its data is
 * in other files, or it names one), "backing_file" (it has a parent), "dirty",
 * "corrupt" (went through a conversion of text), "feature" (another type or
 * version), "virtual_size", "truncated", "bad_table" (size, place, overlap,
 * copies that differ), "bad_descriptor".
 */
int vm_vmdk_check(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err) VM_MUST_CHECK;

#endif
