/*
 * check.h - is a qcow2 file of unknown origin harmless and whole?
 *
 * Source: QEMU docs/interop/qcow2.txt.  The header, its extensions and all L1
 * and L2 entries are read and never trusted: features are allowed by list,
 * whatever names another file is refused, every table must lie aligned inside
 * the file, and no cluster may serve twice, so that neither a small file can
 * become a huge one nor a table be shown to the guest as data.  Memory is two
 * bits per cluster of the file and one table.
 */
#ifndef VM_DISK_CHECK_H
#define VM_DISK_CHECK_H

#include <stdint.h>

#include "lib/base/error.h"

struct vm_check {
	uint64_t virtual_size; /* bytes */
	uint64_t allocated;    /* bytes in clusters that hold data */
};

/*
 * Check the qcow2 file of file_size bytes.  All failures but I/O are
 * VM_E_DATA: "backing_file", "data_file", "encrypted", "snapshots", "dirty",
 * "corrupt", "feature" (unknown or not allowed), "virtual_size", "truncated"
 * and "bad_table" (size, place, alignment, overlap).
 */
int vm_check_qcow2(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err) VM_MUST_CHECK;

#endif
