/*
 * vdi.h - is a VDI file of unknown origin harmless and whole?
 *
 * Sources: VirtualBox src/VBox/Storage/VDICore.h; QEMU block/vdi.c for what is
 * read and what is ignored there.  A header, one map of 32-bit block numbers,
 * and blocks of 1 MiB.  Accepted are dynamic and static images of version 1.1
 * that stand alone.  Memory is a bit per MiB and a page of the map.
 */
#ifndef VM_DISK_VDI_H
#define VM_DISK_VDI_H

#include <stdint.h>

#include "lib/base/error.h"
#include "lib/disk/check.h"

/*
 * Check the VDI file of file_size bytes.  VM_E_DATA "backing_file" (it has a
 * parent), "feature" (another type, version or size of blocks), "virtual_size",
 * "truncated", "bad_table" (size, place, alignment, overlap).
 */
int vm_vdi_check(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err) VM_MUST_CHECK;

#endif
