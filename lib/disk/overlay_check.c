/*
 * overlay_check.c - all tables of the top file, and what they count.
 *
 * First the refcounts are read, then everything that a table names is claimed
 * for one kind of use: a cluster that serves two kinds is an overlap.  Counts
 * and uses are compared at the end.  Memory is five bytes per cluster of the
 * file, as far as they are touched.
 */
#include "lib/disk/overlay_private.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>

#include "lib/base/proc.h"
#include "lib/disk/layout.h"

#define CLUSTERS_MAX ((uint64_t)1 << 27)
#define L1_RESERVED 0x7f000000000001ffull
#define L2_RESERVED 0x3f000000000001feull
#define PIECE 4096 /* bytes of a table that are read at once */
#define SNAPSHOT_HEAD 40
#define SNAPSHOT_L1_MAX ((uint64_t)4 << 20) /* entries, as in QEMU */

enum use { USE_NONE, USE_TABLE, USE_L2, USE_DATA, USE_PACKED };

struct checker {
	const struct vm_overlay_layer *layer;
	struct vm_layout file; /* for reading and messages */
	uint64_t clusters;
	uint16_t *counts; /* what the refcount blocks say; 65535: or more */
	uint16_t *uses;	  /* what has been found */
	uint8_t *kinds;	  /* enum use */
	unsigned char *l2;
	bool is_active; /* the table being read is not a snapshot's */
	struct vm_overlay_check found;
};

/* --- claims --------------------------------------------------------------- */

static int
bad(struct vm_error *err, const char *code, const char *what, uint64_t offset)
{
	return vm_error_set(err, VM_E_DATA, code, "qcow2: %s, at offset %llu",
	    what, (unsigned long long)offset);
}

/* May a cluster be used in this way twice? */
static bool
is_shared(const struct checker *c, enum use use)
{
	if (use == USE_PACKED)
		return true;
	return c->layer->header.snapshots > 0 &&
	    (use == USE_L2 || use == USE_DATA);
}

static int
claim(struct checker *c, uint64_t offset, uint64_t len, enum use use,
    const char *what, struct vm_error *err)
{
	unsigned bits = c->layer->header.cluster_bits;
	uint64_t first = offset >> bits, end;

	if (use != USE_PACKED && offset % c->layer->header.cluster != 0)
		return vm_layout_bad(&c->file, what, offset, err);
	if (len == 0)
		return 0;
	if (offset >= c->file.file_size ||
	    (len - 1) >> bits >= c->clusters - first)
		return bad(err, "bad_table", "something lies behind the end",
		    offset);
	end = ((offset + len - 1) >> bits) + 1;
	for (uint64_t i = first; i < end && i < c->clusters; i++) {
		if (c->kinds[i] != USE_NONE &&
		    (c->kinds[i] != use || !is_shared(c, use)))
			return bad(err, "overlap", what, i << bits);
		c->kinds[i] = (uint8_t)use;
		if (c->uses[i] < UINT16_MAX)
			c->uses[i]++;
	}
	return 0;
}

/* A cluster marked as its table's own must be counted once. */
static int
check_copied(const struct checker *c, uint64_t entry, struct vm_error *err)
{
	uint64_t offset = entry & VM_QCOW2_OFFSET;

	if (!c->is_active || !(entry & VM_QCOW2_COPIED) ||
	    c->layer->header.is_dirty ||
	    c->counts[offset >> c->layer->header.cluster_bits] == 1)
		return 0;
	return bad(err, "bad_refcount", "a cluster is not its table's own",
	    offset);
}

/* --- refcounts ------------------------------------------------------------ */

/* The i-th number of so many bits; in a byte the first one is the lowest. */
static uint64_t
get_bits(const unsigned char *block, uint64_t i, unsigned bits)
{
	uint64_t value = 0;

	if (bits < 8)
		return block[i * bits / 8] >> (i * bits % 8) &
		    ((1u << bits) - 1);
	for (unsigned k = 0; k < bits / 8; k++)
		value = value << 8 | block[i * (bits / 8) + k];
	return value;
}

static void
keep_counts(struct checker *c, uint64_t index)
{
	const struct vm_qcow2_header *h = &c->layer->header;
	uint64_t per_block = h->cluster * 8 / h->refcount_bits;

	for (uint64_t i = 0; i < per_block; i++) {
		uint64_t count = get_bits(c->l2, i, h->refcount_bits);
		uint64_t cluster = index * per_block + i;

		if (count == 0)
			continue;
		if (cluster >= c->clusters)
			c->found.leaked++;
		else
			c->counts[cluster] = (uint16_t)(count < UINT16_MAX ?
				count :
				UINT16_MAX);
	}
}

static int
check_refblock(struct checker *c, uint64_t index, uint64_t entry,
    struct vm_error *err)
{
	uint64_t cluster = c->layer->header.cluster;

	if (entry == 0)
		return 0;
	if (claim(c, entry, cluster, USE_TABLE, "refcount block", err) == -1 ||
	    vm_layout_read(&c->file, c->l2, cluster, entry, err) == -1 ||
	    vm_proc_check_stop(err) == -1)
		return -1;
	keep_counts(c, index);
	return 0;
}

/* --- L2 and L1 tables ----------------------------------------------------- */

/* Each subcluster is in the file, or zero, or neither. */
static bool
is_sane(const struct vm_overlay_layer *layer, struct vm_overlay_entry entry)
{
	uint64_t there = entry.bitmap & UINT32_MAX;

	if (layer->header.entry_bytes == 8)
		return !(entry.descriptor & VM_QCOW2_ZERO) ||
		    layer->header.version >= 3;
	return !(entry.descriptor & VM_QCOW2_ZERO) &&
	    (there & entry.bitmap >> VM_SUBCLUSTERS) == 0 &&
	    (there == 0 || (entry.descriptor & VM_QCOW2_OFFSET) != 0);
}

static int
check_packed(struct checker *c, struct vm_overlay_entry entry,
    struct vm_error *err)
{
	uint64_t begin, end;

	vm_qcow2_packed(&c->layer->header, entry.descriptor, &begin, &end);
	if (entry.descriptor & VM_QCOW2_COPIED || entry.bitmap != 0)
		return bad(err, "bad_table",
		    "compressed data with reserved bits", begin);
	/* the last sector may end behind the file's last byte */
	if (end > c->file.file_size)
		end = c->file.file_size;
	c->found.allocated += c->is_active;
	return claim(c, begin, end > begin ? end - begin : 1, USE_PACKED,
	    "compressed data", err);
}

static int
check_entry(struct checker *c, struct vm_overlay_entry entry,
    struct vm_error *err)
{
	const struct vm_qcow2_header *h = &c->layer->header;
	uint64_t offset = entry.descriptor & VM_QCOW2_OFFSET;
	bool is_data = h->entry_bytes == 8 ?
	    !(entry.descriptor & VM_QCOW2_ZERO) :
	    (entry.bitmap & UINT32_MAX) != 0;

	if (entry.descriptor & VM_QCOW2_COMPRESSED)
		return check_packed(c, entry, err);
	if (entry.descriptor & L2_RESERVED || !is_sane(c->layer, entry))
		return bad(err, "bad_table", "an L2 entry's bits", offset);
	if (offset == 0)
		return 0;
	if (claim(c, offset, h->cluster, USE_DATA, "data", err) == -1)
		return -1;
	c->found.allocated += c->is_active && is_data;
	return check_copied(c, entry.descriptor, err);
}

static int
check_l2(struct checker *c, uint64_t index, uint64_t entry,
    struct vm_error *err)
{
	const struct vm_qcow2_header *h = &c->layer->header;
	const struct vm_overlay_table table = { .bytes = c->l2 };
	uint64_t offset = entry & VM_QCOW2_OFFSET;

	(void)index;
	if (entry & L1_RESERVED)
		return bad(err, "bad_table", "an L1 entry's bits", offset);
	if (offset == 0)
		return 0;
	if (claim(c, offset, h->cluster, USE_L2, "L2 table", err) == -1 ||
	    check_copied(c, entry, err) == -1 ||
	    vm_layout_read(&c->file, c->l2, h->cluster, offset, err) == -1 ||
	    vm_proc_check_stop(err) == -1)
		return -1;
	for (uint64_t i = 0; i < vm_overlay_per_table(c->layer); i++)
		if (check_entry(c, vm_overlay_entry_get(c->layer, &table, i),
			err) == -1)
			return -1;
	return 0;
}

/* Claim a table of 64-bit entries and go through it, piece by piece. */
static int
check_table(struct checker *c, uint64_t offset, uint64_t len, const char *what,
    int (*check)(struct checker *, uint64_t, uint64_t, struct vm_error *),
    struct vm_error *err)
{
	unsigned char piece[PIECE];

	if (claim(c, offset, len, USE_TABLE, what, err) == -1)
		return -1;
	for (uint64_t at = 0, part; at < len; at += part) {
		part = len - at < PIECE ? len - at : PIECE;
		if (vm_layout_read(&c->file, piece, part, offset + at, err) ==
		    -1)
			return -1;
		for (uint64_t i = 0; i < part; i += 8)
			if (check(c, (at + i) / 8, vm_be64(piece, i), err) ==
			    -1)
				return -1;
	}
	return 0;
}

/* --- snapshots ------------------------------------------------------------ */

static int
check_snapshots(struct checker *c, struct vm_error *err)
{
	const struct vm_qcow2_header *h = &c->layer->header;
	uint64_t at = h->snapshots_offset;
	unsigned char head[SNAPSHOT_HEAD];

	c->is_active = false;
	for (uint32_t i = 0; i < h->snapshots; i++) {
		uint64_t entries, len;

		if (vm_layout_read(&c->file, head, sizeof(head), at, err) == -1)
			return -1;
		entries = vm_be32(head, 8);
		if (entries > SNAPSHOT_L1_MAX)
			return bad(err, "bad_table", "a snapshot's L1 table",
			    at);
		if (check_table(c, vm_be64(head, 0), entries * 8,
			"a snapshot's L1 table", check_l2, err) == -1)
			return -1;
		len = SNAPSHOT_HEAD + (uint64_t)vm_be32(head, 36) +
		    (vm_be32(head, 12) >> 16) + (vm_be32(head, 12) & 0xffff);
		at += (len + 7) & ~(uint64_t)7;
	}
	c->found.snapshots = h->snapshots;
	return claim(c, h->snapshots_offset, at - h->snapshots_offset,
	    USE_TABLE, "snapshot table", err);
}

/* --- all of it ------------------------------------------------------------ */

static int
compare(struct checker *c, struct vm_error *err)
{
	const struct vm_qcow2_header *h = &c->layer->header;

	for (uint64_t i = 0; i < c->clusters; i++) {
		if (c->counts[i] > c->uses[i])
			c->found.leaked++;
		else if (c->counts[i] < c->uses[i] && !h->is_dirty)
			return bad(err, "bad_refcount",
			    "a cluster is used more often than counted",
			    i << h->cluster_bits);
	}
	return 0;
}

static int
check_all(struct checker *c, struct vm_error *err)
{
	const struct vm_qcow2_header *h = &c->layer->header;

	if (claim(c, 0, h->cluster, USE_TABLE, "header", err) == -1 ||
	    check_table(c, h->reftable_offset, h->reftable_bytes,
		"refcount table", check_refblock, err) == -1)
		return -1;
	c->is_active = true;
	if (check_table(c, h->l1_offset, h->l1_entries * 8, "L1 table",
		check_l2, err) == -1 ||
	    check_snapshots(c, err) == -1)
		return -1;
	return compare(c, err);
}

static int
begin(struct checker *c, struct vm_error *err)
{
	const struct vm_qcow2_header *h = &c->layer->header;
	struct stat st;

	if (fstat(c->layer->fd, &st) == -1)
		return vm_error_errno(err, errno, "disk");
	c->file = (struct vm_layout){ .fd = c->layer->fd,
		.format = "qcow2",
		.file_size = (uint64_t)st.st_size };
	c->clusters = (c->file.file_size + h->cluster - 1) >> h->cluster_bits;
	if (c->clusters > CLUSTERS_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: more than %llu clusters",
		    (unsigned long long)CLUSTERS_MAX);
	c->counts = calloc((size_t)c->clusters, sizeof(*c->counts));
	c->uses = calloc((size_t)c->clusters, sizeof(*c->uses));
	c->kinds = calloc((size_t)c->clusters, sizeof(*c->kinds));
	c->l2 = malloc((size_t)h->cluster);
	if (c->counts == NULL || c->uses == NULL || c->kinds == NULL ||
	    c->l2 == NULL)
		return vm_error_nomem(err);
	return 0;
}

int
vm_overlay_check(struct vm_overlay *overlay, struct vm_overlay_check *check,
    struct vm_error *err)
{
	struct checker c = { .layer = &overlay->layers[0] };
	int result;

	if (c.layer->is_raw) {
		*check = c.found;
		return 0;
	}
	result = begin(&c, err);
	if (result == 0)
		result = check_all(&c, err);
	free(c.counts);
	free(c.uses);
	free(c.kinds);
	free(c.l2);
	if (result == -1)
		return -1;
	*check = c.found;
	return 0;
}
