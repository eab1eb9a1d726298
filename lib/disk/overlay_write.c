#include "lib/disk/overlay_private.h"

#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/proc.h"

/* A write to one cluster, or to a part of it. */
struct piece {
	uint64_t cluster; /* its offset on the disk */
	uint64_t begin;	  /* bytes into the cluster */
	uint64_t end;
	const unsigned char *data;
};

/* Where it goes, and what has to come along. */
struct target {
	uint64_t host;	/* the cluster's offset in the file */
	uint64_t begin; /* whole units, as far as they are not there already */
	uint64_t end;
	bool is_new;   /* the entry does not say so yet */
	bool is_moved; /* out of a cluster that we may not write: all of it */
};

static struct vm_overlay_layer *
top(struct vm_overlay *overlay)
{
	return &overlay->layers[0];
}

/* --- L2 tables ------------------------------------------------------------ */

static uint64_t
index_l1(struct vm_overlay *overlay, uint64_t offset)
{
	const struct vm_overlay_layer *layer = top(overlay);

	return (offset >> layer->header.cluster_bits) /
	    vm_overlay_per_table(layer);
}

/*
 * A table of our own for the entry of L1: a new one, or a copy of one that is
 * used elsewhere too.
 */
static struct vm_overlay_table *
replace_l2(struct vm_overlay *overlay, uint64_t i, struct vm_error *err)
{
	struct vm_overlay_layer *layer = top(overlay);
	uint64_t old = be64toh(layer->l1[i]) & VM_QCOW2_OFFSET, offset;
	unsigned char *copy = overlay->writer->cluster;
	struct vm_overlay_table *table;

	if (old != 0) {
		table = vm_overlay_l2(overlay, layer, old, err);
		if (table == NULL)
			return NULL;
		memcpy(copy, table->bytes, (size_t)layer->header.cluster);
	}
	if (vm_overlay_allocate(overlay, 1, &offset, err) == -1)
		return NULL;
	table = vm_overlay_l2_new(overlay, offset, err);
	if (table == NULL)
		return NULL;
	if (old != 0)
		memcpy(table->bytes, copy, (size_t)layer->header.cluster);
	layer->l1[i] = htobe64(offset | VM_QCOW2_COPIED);
	vm_overlay_touch(&overlay->writer->l1_dirty, i);
	if (old != 0 && vm_overlay_free(overlay, old, 1, err) == -1)
		return NULL;
	return table;
}

/* The table of a place on the disk, to be changed. */
static struct vm_overlay_table *
own_l2(struct vm_overlay *overlay, uint64_t offset, struct vm_error *err)
{
	struct vm_overlay_layer *layer = top(overlay);
	uint64_t i = index_l1(overlay, offset);
	uint64_t entry = be64toh(layer->l1[i]);

	if ((entry & VM_QCOW2_OFFSET) == 0 || !(entry & VM_QCOW2_COPIED))
		return replace_l2(overlay, i, err);
	return vm_overlay_l2(overlay, layer, entry & VM_QCOW2_OFFSET, err);
}

static uint64_t
index_l2(struct vm_overlay *overlay, uint64_t offset)
{
	const struct vm_overlay_layer *layer = top(overlay);

	return (offset >> layer->header.cluster_bits) %
	    vm_overlay_per_table(layer);
}

/* The units of the target are data at its host cluster now, and ours. */
static int
set_entry(struct vm_overlay *overlay, uint64_t cluster,
    struct vm_overlay_entry entry, const struct target *target,
    struct vm_error *err)
{
	const struct vm_overlay_layer *layer = top(overlay);
	uint64_t unit = vm_overlay_unit(layer);
	struct vm_overlay_table *table = own_l2(overlay, cluster, err);
	uint64_t words[2];

	if (table == NULL)
		return -1;
	for (uint64_t i = target->begin / unit; i < target->end / unit; i++) {
		entry.bitmap |= (uint64_t)1 << i;
		entry.bitmap &= ~((uint64_t)1 << (VM_SUBCLUSTERS + i));
	}
	words[0] = htobe64(target->host | VM_QCOW2_COPIED);
	words[1] = htobe64(entry.bitmap);
	memcpy(table->bytes +
		index_l2(overlay, cluster) * layer->header.entry_bytes,
	    words, layer->header.entry_bytes);
	table->is_dirty = true;
	return 0;
}

/* --- clusters ------------------------------------------------------------- */

/* May the host cluster of this entry be written? */
static bool
is_ours(struct vm_overlay_entry entry)
{
	return !(entry.descriptor & VM_QCOW2_COMPRESSED) &&
	    (entry.descriptor & VM_QCOW2_COPIED) &&
	    (entry.descriptor & VM_QCOW2_OFFSET) != 0;
}

/* Does it have clusters of the file at all? */
static bool
holds_host(struct vm_overlay_entry entry)
{
	return (entry.descriptor & (VM_QCOW2_COMPRESSED | VM_QCOW2_OFFSET)) !=
	    0;
}

/* Is all that is to be written there already? */
static bool
is_plain(const struct vm_overlay_layer *layer, struct vm_overlay_entry entry,
    const struct piece *piece)
{
	uint64_t unit = vm_overlay_unit(layer);

	for (uint64_t i = piece->begin / unit; i <= (piece->end - 1) / unit;
	     i++)
		if (vm_overlay_entry_state(layer, entry, (unsigned)i) !=
		    VM_UNIT_PLAIN)
			return false;
	return true;
}

/* Say where the piece goes; a new cluster for it, if it needs one. */
static int
choose(struct vm_overlay *overlay, struct vm_overlay_entry entry,
    const struct piece *piece, struct target *target, struct vm_error *err)
{
	const struct vm_overlay_layer *layer = top(overlay);
	uint64_t unit = vm_overlay_unit(layer);

	*target = (struct target){
		.host = entry.descriptor & VM_QCOW2_OFFSET,
		.begin = piece->begin,
		.end = piece->end,
	};
	if (is_ours(entry) && is_plain(layer, entry, piece))
		return 0;
	target->is_new = true;
	target->begin -= target->begin % unit;
	target->end = (target->end + unit - 1) / unit * unit;
	if (is_ours(entry))
		return 0;
	target->is_moved = holds_host(entry);
	if (target->is_moved) {
		target->begin = 0;
		target->end = layer->header.cluster;
	}
	return vm_overlay_allocate(overlay, 1, &target->host, err);
}

/* Fill the gap [begin, end) of the cluster with what the guest sees there. */
static int
fill(struct vm_overlay *overlay, uint64_t cluster, uint64_t begin, uint64_t end,
    struct vm_error *err)
{
	unsigned char *bytes = overlay->writer->cluster;
	uint64_t left = vm_overlay_size(overlay) - cluster;
	uint64_t on_disk = end < left ? end : left;

	if (begin >= end)
		return 0;
	memset(bytes + begin, 0, (size_t)(end - begin));
	if (begin >= on_disk)
		return 0;
	return vm_overlay_read(overlay, bytes + begin,
	    (size_t)(on_disk - begin), cluster + begin, err);
}

static int
write_data(struct vm_overlay *overlay, const struct piece *piece,
    const struct target *target, struct vm_error *err)
{
	unsigned char *bytes = overlay->writer->cluster;

	if (target->begin == piece->begin && target->end == piece->end)
		return vm_fd_pwrite(top(overlay)->fd, piece->data,
		    (size_t)(piece->end - piece->begin),
		    target->host + piece->begin, "qcow2", err);
	if (fill(overlay, piece->cluster, target->begin, piece->begin, err) ==
		-1 ||
	    fill(overlay, piece->cluster, piece->end, target->end, err) == -1)
		return -1;
	memcpy(bytes + piece->begin, piece->data,
	    (size_t)(piece->end - piece->begin));
	return vm_fd_pwrite(top(overlay)->fd, bytes + target->begin,
	    (size_t)(target->end - target->begin), target->host + target->begin,
	    "qcow2", err);
}

/* The file's clusters that an entry used are used once less. */
static int
free_host(struct vm_overlay *overlay, struct vm_overlay_entry entry,
    struct vm_error *err)
{
	const struct vm_qcow2_header *h = &top(overlay)->header;
	uint64_t begin = entry.descriptor & VM_QCOW2_OFFSET;
	uint64_t end = begin + h->cluster;

	if (entry.descriptor & VM_QCOW2_COMPRESSED)
		vm_qcow2_packed(h, entry.descriptor, &begin, &end);
	begin &= ~(h->cluster - 1);
	return vm_overlay_free(overlay, begin,
	    (end - begin + h->cluster - 1) >> h->cluster_bits, err);
}

static int
write_piece(struct vm_overlay *overlay, const struct piece *piece,
    struct vm_error *err)
{
	const struct vm_overlay_layer *layer = top(overlay);
	struct vm_overlay_table *table = own_l2(overlay, piece->cluster, err);
	struct vm_overlay_entry entry;
	struct target target;

	if (table == NULL)
		return -1;
	entry = vm_overlay_entry_get(layer, table,
	    index_l2(overlay, piece->cluster));
	if (choose(overlay, entry, piece, &target, err) == -1 ||
	    write_data(overlay, piece, &target, err) == -1)
		return -1;
	if (!target.is_new)
		return 0;
	if (set_entry(overlay, piece->cluster, entry, &target, err) == -1)
		return -1;
	return target.is_moved ? free_host(overlay, entry, err) : 0;
}

int
vm_overlay_write(struct vm_overlay *overlay, const void *data, size_t len,
    uint64_t offset, struct vm_error *err)
{
	uint64_t cluster = top(overlay)->header.cluster;
	uint64_t end = offset + len, at = offset;

	if (vm_overlay_can_write(overlay, err) == -1 ||
	    vm_overlay_in_range(overlay, offset, len, err) == -1)
		return -1;
	while (at < end) {
		struct piece piece = { .cluster = at & ~(cluster - 1),
			.begin = at & (cluster - 1),
			.data = (const unsigned char *)data + (at - offset) };

		piece.end = end - piece.cluster < cluster ?
		    end - piece.cluster :
		    cluster;
		if (vm_proc_check_stop(err) == -1 ||
		    write_piece(overlay, &piece, err) == -1)
			return -1;
		at = piece.cluster + piece.end;
	}
	return 0;
}
