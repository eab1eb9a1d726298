/*
 * inspect.h - what a file from outside is, before another program opens it.
 *
 * Every format that QEMU would probe for is looked for, at the file's beginning
 * and its end; a file that is two things at once is refused, because two
 * programs would then disagree about what they boot.  Accepted are raw, and
 * qcow2, VMDK, VHD, VHDX and VDI after the module of the format (check.h for
 * qcow2) has read all of their tables.  The others are named and refused.
 */
#ifndef VM_DISK_INSPECT_H
#define VM_DISK_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

enum vm_disk_format {
	VM_DISK_RAW,
	VM_DISK_QCOW2,
	VM_DISK_VMDK,
	VM_DISK_VHD,
	VM_DISK_VHDX,
	VM_DISK_VDI,
	VM_DISK_FORMATS,
	VM_DISK_OTHER = VM_DISK_FORMATS /* known by name, not accepted */
};

#define VM_INSPECT_HEAD ((size_t)64 << 10) /* enough to see any of them */
#define VM_INSPECT_TAIL ((size_t)512)	   /* but a fixed VHD: see below */

struct vm_inspect {
	enum vm_disk_format format;
	uint64_t virtual_size; /* bytes */
	uint64_t allocated;    /* bytes of it that hold data, at most */
};

/*
 * What the first len bytes (at least VM_INSPECT_HEAD of them unless the file
 * is shorter) look like.  VM_E_DATA "format" (known, not accepted; the message
 * names it), "bomb" (compressed data), "ambiguous" (two formats at once).  A
 * fixed VHD looks raw: what it is stands in the last VM_INSPECT_TAIL bytes.
 */
int vm_inspect_head(const void *head, size_t len, enum vm_disk_format *format,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Is a file that looks raw, with len bytes before this tail, a fixed VHD?  VHD
 * or raw in *format; VM_E_DATA from vm_vhd_check_footer().
 */
int vm_inspect_tail(const void *tail, uint64_t len, enum vm_disk_format *format,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The whole file.  VM_E_DATA as above, "truncated" (too short for a disk, or
 * ends inside a table), "virtual_size" (more than max_virtual_bytes), "format"
 * also for a raw file that does not consist of whole sectors, and whatever
 * vm_check_qcow2() and its like say.
 */
int vm_inspect_file(int fd, uint64_t max_virtual_bytes,
    struct vm_inspect *inspect, struct vm_error *err) VM_MUST_CHECK;

/* "raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi" */
const char *vm_inspect_format_name(enum vm_disk_format format);

#endif
