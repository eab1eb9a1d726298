#include "lib/disk/check.h"

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/base/proc.h"

#define HEADER_V2 72
#define HEADER_V3 104
#define L1_MAX ((uint64_t)4 << 20)	 /* entries, as in QEMU */
#define REFTABLE_MAX ((uint64_t)8 << 20) /* bytes, as in QEMU */
#define CLUSTERS_MAX ((uint64_t)1 << 27) /* our two bitmaps: 32 MiB */

#define INCOMPAT_DIRTY 1u
#define INCOMPAT_CORRUPT 2u
#define INCOMPAT_DATA_FILE 4u
#define INCOMPAT_COMPRESSION 8u

#define EXT_END 0u
#define EXT_BACKING_FORMAT 0xe2792acau
#define EXT_BITMAPS 0x23852875u
#define EXT_ENCRYPTION 0x0537be77u
#define EXT_DATA_FILE 0x44415441u

#define ENTRY_OFFSET 0x00fffffffffffe00ull
#define L1_RESERVED 0x7f000000000001ffull
#define L2_RESERVED 0x3f000000000001feull
#define L2_ZERO 1ull
#define L2_COMPRESSED (1ull << 62)

struct qcow2 {
	int fd;
	uint64_t file_size;
	unsigned version;
	unsigned cluster_bits;
	uint64_t cluster; /* bytes */
	uint64_t virtual_size;
	uint64_t l1_offset, l1_entries;
	uint64_t reftable_offset, reftable_bytes;
	uint32_t header_bytes;
	unsigned char *used;   /* a bit per cluster: one owner */
	unsigned char *packed; /* compressed data, may be shared */
	uint64_t packed_bytes;
	uint64_t allocated;
};

static uint32_t
get32(const unsigned char *data, size_t at)
{
	uint32_t value;

	memcpy(&value, data + at, sizeof(value));
	return be32toh(value);
}

static uint64_t
get64(const unsigned char *data, size_t at)
{
	uint64_t value;

	memcpy(&value, data + at, sizeof(value));
	return be64toh(value);
}

static int
bad_table(struct vm_error *err, const char *what, uint64_t offset)
{
	return vm_error_set(err, VM_E_DATA, "bad_table",
	    "qcow2: %s at offset %llu", what, (unsigned long long)offset);
}

/* Read len bytes that must be there. */
static int
read_at(const struct qcow2 *q, void *data, size_t len, uint64_t offset,
    struct vm_error *err)
{
	size_t got;

	if (vm_fd_pread(q->fd, data, len, offset, &got, "qcow2", err) == -1)
		return -1;
	if (got != len)
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "qcow2: the file ends at %llu, inside a table",
		    (unsigned long long)q->file_size);
	return 0;
}

/* --- header -------------------------------------------------------------- */

static int
check_incompatible(uint64_t bits, struct vm_error *err)
{
	if (bits & INCOMPAT_DATA_FILE)
		return vm_error_set(err, VM_E_DATA, "data_file",
		    "qcow2: its data is in another file");
	if (bits & INCOMPAT_CORRUPT)
		return vm_error_set(err, VM_E_DATA, "corrupt",
		    "qcow2: marked corrupt by the program that wrote it");
	if (bits & INCOMPAT_DIRTY)
		return vm_error_set(err, VM_E_DATA, "dirty",
		    "qcow2: marked dirty: not closed by its last writer");
	if (bits & ~(uint64_t)INCOMPAT_COMPRESSION)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "qcow2: incompatible features %#llx are not accepted",
		    (unsigned long long)(bits &
			~(uint64_t)INCOMPAT_COMPRESSION));
	return 0;
}

static int
parse_v3(struct qcow2 *q, const unsigned char *h, struct vm_error *err)
{
	if (check_incompatible(get64(h, 72), err) == -1)
		return -1;
	if (get32(h, 96) > 6)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: refcount order %u is above 6", get32(h, 96));
	q->header_bytes = get32(h, 100);
	if (q->header_bytes < HEADER_V3 || q->header_bytes % 8 != 0 ||
	    q->header_bytes > q->cluster)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: a header of %u bytes", q->header_bytes);
	if (get64(h, 72) & INCOMPAT_COMPRESSION &&
	    (q->header_bytes < 112 || h[104] > 1))
		return vm_error_set(err, VM_E_DATA, "feature",
		    "qcow2: unknown compression type");
	return 0;
}

/* What names another file, or hides the contents. */
static int
check_strangers(const unsigned char *h, struct vm_error *err)
{
	if (get64(h, 8) != 0 || get32(h, 16) != 0)
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "qcow2: it needs a backing file, which is never opened");
	if (get32(h, 32) != 0)
		return vm_error_set(err, VM_E_DATA, "encrypted",
		    "qcow2: encrypted");
	if (get32(h, 60) != 0 || get64(h, 64) != 0)
		return vm_error_set(err, VM_E_DATA, "snapshots",
		    "qcow2: it holds internal snapshots");
	return 0;
}

static int
check_size(const struct qcow2 *q, uint64_t max_bytes, struct vm_error *err)
{
	if (q->virtual_size > max_bytes)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "qcow2: virtual size %llu is above the limit of %llu bytes",
		    (unsigned long long)q->virtual_size,
		    (unsigned long long)max_bytes);
	if (q->virtual_size == 0 || q->virtual_size % 512 != 0)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "qcow2: virtual size %llu is not one of a disk",
		    (unsigned long long)q->virtual_size);
	if (q->file_size >> q->cluster_bits >= CLUSTERS_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: more than %llu clusters",
		    (unsigned long long)CLUSTERS_MAX);
	return 0;
}

static int
check_places(const struct qcow2 *q, struct vm_error *err)
{
	uint64_t per_l1 = q->cluster * (q->cluster / 8);
	uint64_t need = (q->virtual_size + per_l1 - 1) / per_l1;

	if (q->l1_entries > L1_MAX || q->l1_entries < need)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: an L1 table of %llu entries for %llu bytes",
		    (unsigned long long)q->l1_entries,
		    (unsigned long long)q->virtual_size);
	if (q->reftable_bytes == 0 || q->reftable_bytes > REFTABLE_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: a refcount table of %llu bytes",
		    (unsigned long long)q->reftable_bytes);
	return 0;
}

static int
parse_header(struct qcow2 *q, uint64_t max_bytes, struct vm_error *err)
{
	unsigned char h[112] = { 0 };
	size_t want = q->file_size < sizeof(h) ? HEADER_V2 : sizeof(h);

	if (read_at(q, h, want, 0, err) == -1)
		return -1;
	q->version = get32(h, 4);
	if (get32(h, 0) != 0x514649fbu || q->version < 2 || q->version > 3)
		return vm_error_set(err, VM_E_DATA, "format",
		    "qcow version %u is not accepted", q->version);
	q->cluster_bits = get32(h, 20);
	if (q->cluster_bits < 9 || q->cluster_bits > 21)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: cluster_bits is %u", q->cluster_bits);
	q->cluster = (uint64_t)1 << q->cluster_bits;
	q->virtual_size = get64(h, 24);
	q->l1_entries = get32(h, 36);
	q->l1_offset = get64(h, 40);
	q->reftable_offset = get64(h, 48);
	q->reftable_bytes = (uint64_t)get32(h, 56) << q->cluster_bits;
	q->header_bytes = HEADER_V2;
	if (check_strangers(h, err) == -1 ||
	    (q->version == 3 && parse_v3(q, h, err) == -1) ||
	    check_size(q, max_bytes, err) == -1)
		return -1;
	return check_places(q, err);
}

static int
check_extension(uint32_t type, struct vm_error *err)
{
	switch (type) {
	case EXT_BACKING_FORMAT:
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "qcow2: it names the format of a backing file");
	case EXT_DATA_FILE:
		return vm_error_set(err, VM_E_DATA, "data_file",
		    "qcow2: it names another file for its data");
	case EXT_ENCRYPTION:
		return vm_error_set(err, VM_E_DATA, "encrypted",
		    "qcow2: encrypted");
	case EXT_BITMAPS:
		return vm_error_set(err, VM_E_DATA, "feature",
		    "qcow2: it holds dirty bitmaps");
	default:
		return 0;
	}
}

/* The extensions between the header and the end of the first cluster. */
static int
check_extensions(const struct qcow2 *q, struct vm_error *err)
{
	uint64_t at = q->header_bytes;
	unsigned char e[8];

	while (at + sizeof(e) <= q->cluster && at + sizeof(e) <= q->file_size) {
		uint64_t len;

		if (read_at(q, e, sizeof(e), at, err) == -1)
			return -1;
		if (get32(e, 0) == EXT_END)
			return 0;
		if (check_extension(get32(e, 0), err) == -1)
			return -1;
		len = ((uint64_t)get32(e, 4) + 7) & ~(uint64_t)7;
		at += sizeof(e);
		if (len > q->cluster - at)
			return bad_table(err, "header extension too long", at);
		at += len;
	}
	return 0;
}

/* --- clusters ------------------------------------------------------------ */

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
	if (offset % q->cluster != 0)
		return bad_table(err, what, offset);
	if (offset >= q->file_size || (table && len > q->file_size - offset))
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: %s outside the file, at offset %llu", what,
		    (unsigned long long)offset);
	for (uint64_t at = offset; at < offset + len; at += q->cluster) {
		uint64_t bit = at >> q->cluster_bits;

		if (has_bit(q->used, bit) || has_bit(q->packed, bit))
			return vm_error_set(err, VM_E_DATA, "bad_table",
			    "qcow2: %s overlaps, at offset %llu", what,
			    (unsigned long long)at);
		set_bit(q->used, bit);
	}
	return 0;
}

/* Compressed data lies anywhere and shares clusters with its like. */
static int
claim_packed(struct qcow2 *q, uint64_t entry, struct vm_error *err)
{
	unsigned bits = 62 - (q->cluster_bits - 8);
	uint64_t offset = entry & (((uint64_t)1 << bits) - 1);
	uint64_t sectors = ((entry & (L2_COMPRESSED - 1)) >> bits) + 1;
	uint64_t end = (offset & ~(uint64_t)511) + sectors * 512;

	if (offset >= q->file_size)
		return bad_table(err, "compressed data outside the file",
		    offset);
	for (uint64_t at = offset & ~(q->cluster - 1);
	     at < end && at < q->file_size; at += q->cluster) {
		uint64_t bit = at >> q->cluster_bits;

		if (has_bit(q->used, bit))
			return bad_table(err, "compressed data overlaps", at);
		set_bit(q->packed, bit);
	}
	/* Of things that do not overlap only one crosses a sector's border. */
	q->packed_bytes += (sectors - 1) * 512;
	if (q->packed_bytes > q->file_size + q->cluster)
		return bad_table(err, "compressed data used twice", offset);
	q->allocated += q->cluster;
	return 0;
}

static int
check_l2_entry(struct qcow2 *q, uint64_t entry, struct vm_error *err)
{
	uint64_t offset = entry & ENTRY_OFFSET;

	if (entry == 0)
		return 0;
	if (entry & L2_COMPRESSED)
		return claim_packed(q, entry, err);
	if (entry & L2_RESERVED || (entry & L2_ZERO && q->version < 3))
		return bad_table(err, "reserved bits in an L2 entry", offset);
	if (offset == 0)
		return 0;
	if (!(entry & L2_ZERO))
		q->allocated += q->cluster;
	return claim(q, offset, q->cluster, false, "data cluster", err);
}

static int
check_l2(struct qcow2 *q, uint64_t entry, unsigned char *table,
    struct vm_error *err)
{
	uint64_t offset = entry & ENTRY_OFFSET;

	if (entry & L1_RESERVED)
		return bad_table(err, "reserved bits in an L1 entry", offset);
	if (offset == 0)
		return 0;
	if (claim(q, offset, q->cluster, true, "L2 table", err) == -1 ||
	    read_at(q, table, q->cluster, offset, err) == -1 ||
	    vm_proc_check_stop(err) == -1)
		return -1;
	for (uint64_t at = 0; at < q->cluster; at += 8)
		if (check_l2_entry(q, get64(table, at), err) == -1)
			return -1;
	return 0;
}

static int
check_refblock(struct qcow2 *q, uint64_t entry, struct vm_error *err)
{
	if (entry == 0)
		return 0;
	if (entry & 511)
		return bad_table(err, "reserved bits in a refcount entry",
		    entry);
	return claim(q, entry, q->cluster, true, "refcount block", err);
}

/* Go through a table of 64-bit entries, piece by piece. */
static int
check_table(struct qcow2 *q, uint64_t offset, uint64_t len, bool is_l1,
    struct vm_error *err)
{
	unsigned char piece[4096];
	unsigned char *l2 VM_CLEAN_FREE = malloc(q->cluster);

	if (l2 == NULL)
		return vm_error_nomem(err);
	for (uint64_t at = 0, part; at < len; at += part) {
		part = len - at < sizeof(piece) ? len - at : sizeof(piece);
		if (read_at(q, piece, part, offset + at, err) == -1)
			return -1;
		for (uint64_t i = 0; i < part; i += 8) {
			uint64_t entry = get64(piece, i);

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
	uint64_t l1_bytes = q->l1_entries * 8;

	if (claim(q, 0, q->cluster, false, "header", err) == -1 ||
	    claim(q, q->reftable_offset, q->reftable_bytes, true,
		"refcount table", err) == -1 ||
	    claim(q, q->l1_offset, l1_bytes, true, "L1 table", err) == -1)
		return -1;
	if (check_table(q, q->reftable_offset, q->reftable_bytes, false, err) ==
	    -1)
		return -1;
	return check_table(q, q->l1_offset, l1_bytes, true, err);
}

int
vm_check_qcow2(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err)
{
	struct qcow2 q = { .fd = fd, .file_size = file_size };
	size_t map_bytes;
	int result;

	if (parse_header(&q, max_virtual_bytes, err) == -1 ||
	    check_extensions(&q, err) == -1)
		return -1;
	map_bytes = (size_t)(file_size >> q.cluster_bits) / 8 + 1;
	q.used = calloc(1, map_bytes);
	q.packed = calloc(1, map_bytes);
	result = q.used != NULL && q.packed != NULL ? check_clusters(&q, err) :
						      vm_error_nomem(err);
	free(q.used);
	free(q.packed);
	if (result == -1)
		return -1;
	check->virtual_size = q.virtual_size;
	check->allocated = q.allocated;
	return 0;
}
