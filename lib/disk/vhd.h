/*
 * vhd.h - is a VHD file of unknown origin harmless and whole?
 *
 * Sources: Microsoft, "Virtual Hard Disk Image Format Specification", version
 * 1.0; QEMU block/vpc.c for what is read and what is ignored there.  A fixed
 * disk is a raw one followed by a footer of one sector.  A dynamic one begins
 * with a copy of its footer, a second header and a table with the sector at
 * which each block begins.  Its size is the footer's current size: the geometry
 * beside it is what Virtual PC went by, and is often less.
 */
#ifndef VM_DISK_VHD_H
#define VM_DISK_VHD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/disk/check.h"

#define VM_VHD_FOOTER ((size_t)512) /* bytes */

/* Do these bytes, a file's first or last, claim to be a footer? */
bool vm_vhd_is_footer(const void *footer);

/*
 * Is it that of a fixed disk of data_bytes?  VM_E_DATA "checksum",
 * "backing_file" (it has a parent), "dirty" (of a VM that was suspended),
 * "feature" (another version), "bad_table" (another type, another size).
 */
int vm_vhd_check_footer(const void *footer, uint64_t data_bytes,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Check the dynamic VHD file of file_size bytes, as above; also VM_E_DATA
 * "virtual_size", "truncated" and "bad_table" (size, place, overlap, copies
 * that differ).  Memory is a bit per sector and a page of the table.
 */
int vm_vhd_check(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err) VM_MUST_CHECK;

#endif
