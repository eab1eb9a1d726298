/*
 * vhdx.h - is a VHDX file of unknown origin harmless and whole?
 *
 * Sources: [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format"; QEMU
 * block/vhdx.c for what is read and what is ignored there.  Two headers, of
 * which the newer one counts, two copies of a table of regions, among these
 * the metadata and a table with the place and state of every block.  All of it
 * lies on borders of 1 MiB.  Accepted are fixed and dynamic disks with sectors
 * of 512 bytes and an empty log.  Memory is a bit per MiB and two tables.
 */
#ifndef VM_DISK_VHDX_H
#define VM_DISK_VHDX_H

#include <stdint.h>

#include "lib/base/error.h"
#include "lib/disk/check.h"

/*
 * Check the VHDX file of file_size bytes.  VM_E_DATA "backing_file" (it has a
 * parent), "dirty" (its log must be replayed), "feature" (not known or not
 * accepted), "checksum", "virtual_size", "truncated", "bad_table" (size,
 * place, alignment, overlap, copies that differ).
 */
int vm_vhdx_check(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err) VM_MUST_CHECK;

#endif
