/*
 * qcow2_header.h - the header and the table entries of a qcow2 file.
 *
 * Source: QEMU docs/interop/qcow2.rst.  Features are allowed by list, whatever
 * names another file or hides the contents is refused, and the header's tables
 * are of sizes that QEMU would open.  A file from outside is allowed nothing; a
 * disk of the store may have what the caller says.  Where the tables lie is for
 * the readers to check: check.h sees the whole file, qcow2_read.h one that
 * still arrives, overlay.h a file and those below it.
 */
#ifndef VM_DISK_QCOW2_HEADER_H
#define VM_DISK_QCOW2_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

#define VM_QCOW2_CLUSTER_MAX ((size_t)2 << 20) /* bytes */

/* What a file may have beyond the plain: bits of `allowed`. */
#define VM_QCOW2_ALLOW_BACKING 1u     /* a file below: see backing.h */
#define VM_QCOW2_ALLOW_EXTENDED_L2 2u /* subclusters */
#define VM_QCOW2_ALLOW_SNAPSHOTS 4u   /* internal ones */
#define VM_QCOW2_ALLOW_DIRTY 8u	      /* refcounts that may be too low */

/* Entries of L1 and L2 tables: where the table or cluster lies, and flags. */
#define VM_QCOW2_OFFSET 0x00fffffffffffe00ull
#define VM_QCOW2_COPIED (1ull << 63)	 /* its refcount is 1: ours to change */
#define VM_QCOW2_ZERO 1ull		 /* L2: reads as zeros */
#define VM_QCOW2_COMPRESSED (1ull << 62) /* L2: see vm_qcow2_packed() */

struct vm_qcow2_header {
	unsigned version; /* 2 or 3 */
	unsigned cluster_bits;
	uint64_t cluster;      /* bytes, 512 to 2 MiB */
	uint64_t virtual_size; /* bytes, whole sectors, not 0 */
	uint64_t l1_offset, l1_entries;
	uint64_t
	    l1_used; /* entries that map virtual_size; at most the others */
	uint64_t reftable_offset, reftable_bytes;
	uint64_t snapshots_offset;
	uint32_t snapshots; /* how many */
	uint32_t header_bytes;
	unsigned entry_bytes;	/* of an L2 entry: 8; extended 16 */
	unsigned refcount_bits; /* 1 to 64, a power of 2 */
	bool zstd;		/* compressed clusters are zstd, not deflate */
	bool is_dirty;
};

/*
 * Read header and extensions of a file of which `size` bytes are there, at
 * least its first cluster unless it is shorter.  VM_E_DATA as said in check.h.
 */
int vm_qcow2_header_read(int fd, uint64_t size, uint64_t max_virtual_bytes,
    unsigned allowed, struct vm_qcow2_header *header, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Where compressed data lies: from *begin to before *end, of which the last
 * bytes, less than a sector, may be others'.
 */
void vm_qcow2_packed(const struct vm_qcow2_header *header, uint64_t entry,
    uint64_t *begin, uint64_t *end);

#endif
