/*
 * qcow2.h - the overlays we make: a qcow2 file that holds nothing yet.
 *
 * Source: QEMU docs/interop/qcow2.rst, version 3.  In cluster order: the header
 * with its backing format extension and the backing file's name, the refcount
 * table, its refcount blocks, the L1 table.  Only the bytes that are not zero
 * are written, so that the file takes three blocks of disk whatever its
 * clusters; no process is started.  A file without a backing file is an empty
 * disk of its own.  What is put in later is written by overlay.h, or by QEMU.
 */
#ifndef VM_DISK_QCOW2_H
#define VM_DISK_QCOW2_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

#define VM_QCOW2_SIZE_MAX ((uint64_t)1 << 50) /* 1 PiB, as we refuse more */

struct vm_qcow2_options {
	uint64_t virtual_size; /* bytes, a multiple of 512 */
	unsigned cluster_bits; /* 9..21; 0: 16 */
	bool lazy_refcounts;
	bool extended_l2;	  /* 32 subclusters each; cluster_bits 14..21 */
	const char *backing_file; /* relative name; no ':'; at most 255 */
	const char *backing_format; /* "raw" or "qcow2"; NULL without a file */
};

/*
 * Write it to fd (an empty file).  VM_E_USAGE "bad_size" or "bad_overlay" for
 * options out of range (also a virtual size whose L1 table would be larger than
 * the 32 MiB that QEMU opens), VM_E_IO.
 */
int vm_qcow2_create(int fd, const struct vm_qcow2_options *options,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The virtual size of a qcow2 file; only the header is looked at.  VM_E_DATA
 * "not_qcow2".
 */
int vm_qcow2_virtual_size(int fd, uint64_t *virtual_size, struct vm_error *err)
    VM_MUST_CHECK;

#endif
