#include "lib/disk/check.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/base/clean.h"
#include "lib/base/proc.h"
#include "lib/disk/layout.h"
#include "lib/disk/qcow2_header.h"

#define CLUSTERS_MAX ((uint64_t)1 << 27) /* our two bitmaps: 32 MiB */

#define L1_RESERVED 0x7f000000000001ffull
#define L2_RESERVED 0x3f000000000001feull

struct qcow2 {
	struct vm_layout file; /* in clusters */
	struct vm_qcow2_header h;
	unsigned char *packed; /* a bit per cluster: compressed data, shared */
	uint64_t packed_bytes;
	uint64_t allocated;
};

static bool
has_bit(const unsigned char *map, uint64_t bit)
{
	return map[bit / 8] >> (bit % 8) & 1;
}

static void
set_bit(unsigned char *map, uint64_t bit)
{
	map[bit / 8] |= (unsigned char)(1 << (bit % 8));
}

/*
 * Take the clusters of [offset, offset + len) for one owner.  A table must lie
 * in the file as a whole, data may end beyond it (it reads as zeros).
 */
static int
claim(struct qcow2 *q, uint64_t offset, uint64_t len, bool table,
    const char *what, struct vm_error *err)
{
	if ((table ? vm_layout_take(&q->file, offset, len, what, err) :
		     vm_layout_take_data(&q->file, offset, len, err)) == -1)
		return -1;
	for (uint64_t at = offset; at < offset + len; at += q->h.cluster)
		if (has_bit(q->packed, at >> q->h.cluster_bits))
			return vm_layout_bad(&q->file,
			    "something overlaps compressed data", at, err);
	return 0;
}

/* Compressed data lies anywhere and shares clusters with its like. */
static int
claim_packed(struct qcow2 *q, uint64_t entry, struct vm_error *err)
{
	uint64_t offset, end;

	vm_qcow2_packed(&q->h, entry, &offset, &end);
	if (offset >= q->file.file_size)
		return vm_layout_bad(&q->file,
		    "compressed data outside the file", offset, err);
	for (uint64_t at = offset & ~(q->h.cluster - 1);
	     at < end && at < q->file.file_size; at += q->h.cluster) {
		uint64_t bit = at >> q->h.cluster_bits;

		if (has_bit(q->file.taken, bit))
			return vm_layout_bad(&q->file,
			    "compressed data overlaps", at, err);
		set_bit(q->packed, bit);
	}
	/* Of things that do not overlap only one crosses a sector's border. */
	q->packed_bytes += end - (offset & ~(uint64_t)511) - 512;
	if (q->packed_bytes > q->file.file_size + q->h.cluster)
		return vm_layout_bad(&q->file, "compressed data used twice",
		    offset, err);
	q->allocated += q->h.cluster;
	return 0;
}

static int
check_l2_entry(struct qcow2 *q, uint64_t entry, struct vm_error *err)
{
	uint64_t offset = entry & VM_QCOW2_OFFSET;

	if (entry == 0)
		return 0;
	if (entry & VM_QCOW2_COMPRESSED)
		return claim_packed(q, entry, err);
	if (entry & L2_RESERVED || (entry & VM_QCOW2_ZERO && q->h.version < 3))
		return vm_layout_bad(&q->file, "reserved bits in an L2 entry",
		    offset, err);
	if (offset == 0)
		return 0;
	if (!(entry & VM_QCOW2_ZERO))
		q->allocated += q->h.cluster;
	return claim(q, offset, q->h.cluster, false, "data", err);
}

static int
check_l2(struct qcow2 *q, uint64_t entry, unsigned char *table,
    struct vm_error *err)
{
	uint64_t offset = entry & VM_QCOW2_OFFSET;

	if (entry & L1_RESERVED)
		return vm_layout_bad(&q->file, "reserved bits in an L1 entry",
		    offset, err);
	if (offset == 0)
		return 0;
	if (claim(q, offset, q->h.cluster, true, "L2 table", err) == -1 ||
	    vm_layout_read(&q->file, table, q->h.cluster, offset, err) == -1 ||
	    vm_proc_check_stop(err) == -1)
		return -1;
	for (uint64_t at = 0; at < q->h.cluster; at += 8)
		if (check_l2_entry(q, vm_be64(table, at), err) == -1)
			return -1;
	return 0;
}

static int
check_refblock(struct qcow2 *q, uint64_t entry, struct vm_error *err)
{
	if (entry == 0)
		return 0;
	if (entry & 511)
		return vm_layout_bad(&q->file,
		    "reserved bits in a refcount entry", entry, err);
	return claim(q, entry, q->h.cluster, true, "refcount block", err);
}

/* Go through a table of 64-bit entries, piece by piece. */
static int
check_table(struct qcow2 *q, uint64_t offset, uint64_t len, bool is_l1,
    struct vm_error *err)
{
	unsigned char piece[4096];
	unsigned char *l2 VM_CLEAN_FREE = malloc(q->h.cluster);

	if (l2 == NULL)
		return vm_error_nomem(err);
	for (uint64_t at = 0, part; at < len; at += part) {
		part = len - at < sizeof(piece) ? len - at : sizeof(piece);
		if (vm_layout_read(&q->file, piece, part, offset + at, err) ==
		    -1)
			return -1;
		for (uint64_t i = 0; i < part; i += 8) {
			uint64_t entry = vm_be64(piece, i);

			if ((is_l1 ? check_l2(q, entry, l2, err) :
				     check_refblock(q, entry, err)) == -1)
				return -1;
		}
	}
	return 0;
}

static int
check_clusters(struct qcow2 *q, struct vm_error *err)
{
	uint64_t l1_bytes = q->h.l1_entries * 8;

	if (claim(q, 0, q->h.cluster, false, "header", err) == -1 ||
	    claim(q, q->h.reftable_offset, q->h.reftable_bytes, true,
		"refcount table", err) == -1 ||
	    claim(q, q->h.l1_offset, l1_bytes, true, "L1 table", err) == -1)
		return -1;
	if (check_table(q, q->h.reftable_offset, q->h.reftable_bytes, false,
		err) == -1)
		return -1;
	return check_table(q, q->h.l1_offset, l1_bytes, true, err);
}

int
vm_check_qcow2(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err)
{
	struct qcow2 q = {
		.file = { .fd = fd, .format = "qcow2", .file_size = file_size },
	};
	int result;

	if (vm_qcow2_header_read(fd, file_size, max_virtual_bytes, 0, &q.h,
		err) == -1)
		return -1;
	if (file_size >> q.h.cluster_bits >= CLUSTERS_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: more than %llu clusters",
		    (unsigned long long)CLUSTERS_MAX);
	q.file.unit_bits = q.h.cluster_bits;
	if (vm_layout_init(&q.file, err) == -1)
		return -1;
	q.packed = calloc(1, (size_t)(file_size >> q.h.cluster_bits) / 8 + 1);
	result = q.packed != NULL ? check_clusters(&q, err) :
				    vm_error_nomem(err);
	free(q.packed);
	vm_layout_release(&q.file);
	if (result == -1)
		return -1;
	check->virtual_size = q.h.virtual_size;
	check->allocated = q.allocated;
	return 0;
}
