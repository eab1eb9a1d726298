/*
 * qcow2.h - the overlays we write: a qcow2 file that holds nothing yet.
 *
 * Source: QEMU docs/interop/qcow2.txt, version 3 header.  The header with its
 * backing format extension, one refcount table, refcount blocks and an empty
 * L1 table are computed and written with one pwrite; no process is started.
 */
#ifndef VM_DISK_QCOW2_H
#define VM_DISK_QCOW2_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

struct vm_qcow2_options {
	uint64_t virtual_size; /* bytes, a multiple of 512 */
	unsigned cluster_bits; /* 9..21; 0: 16 */
	bool lazy_refcounts;
	const char *backing_file;   /* relative name; no ':'; at most 1023 */
	const char *backing_format; /* "raw" or "qcow2" */
};

/* Write it to fd (empty, at 0).  VM_E_USAGE for options out of range. */
int vm_qcow2_create(int fd, const struct vm_qcow2_options *options,
    struct vm_error *err) VM_MUST_CHECK;

/* The virtual size of a qcow2 file of our own making, header checked. */
int vm_qcow2_virtual_size(int fd, uint64_t *virtual_size, struct vm_error *err)
    VM_MUST_CHECK;

#endif
