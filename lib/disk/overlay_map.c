#include "lib/disk/overlay_private.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/proc.h"
#include "lib/disk/layout.h"

static uint64_t
min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* --- entries -------------------------------------------------------------- */

uint64_t
vm_overlay_per_table(const struct vm_overlay_layer *layer)
{
	return layer->header.cluster / layer->header.entry_bytes;
}

static bool
has_subclusters(const struct vm_overlay_layer *layer)
{
	return layer->header.entry_bytes == 16;
}

uint64_t
vm_overlay_unit(const struct vm_overlay_layer *layer)
{
	return has_subclusters(layer) ? layer->header.cluster / VM_SUBCLUSTERS :
					layer->header.cluster;
}

struct vm_overlay_entry
vm_overlay_entry_get(const struct vm_overlay_layer *layer,
    const struct vm_overlay_table *table, uint64_t index)
{
	size_t at = (size_t)index * layer->header.entry_bytes;
	struct vm_overlay_entry entry = {
		.descriptor = vm_be64(table->bytes, at),
	};

	if (has_subclusters(layer))
		entry.bitmap = vm_be64(table->bytes, at + 8);
	return entry;
}

enum vm_overlay_state
vm_overlay_entry_state(const struct vm_overlay_layer *layer,
    struct vm_overlay_entry entry, unsigned i)
{
	bool has_host = (entry.descriptor & VM_QCOW2_OFFSET) != 0;

	if (entry.descriptor & VM_QCOW2_COMPRESSED)
		return VM_UNIT_PACKED;
	if (!has_subclusters(layer)) {
		if (entry.descriptor & VM_QCOW2_ZERO)
			return VM_UNIT_ZERO;
		return has_host ? VM_UNIT_PLAIN : VM_UNIT_UNALLOCATED;
	}
	if (entry.bitmap >> (VM_SUBCLUSTERS + i) & 1)
		return VM_UNIT_ZERO;
	return has_host && (entry.bitmap >> i & 1) ? VM_UNIT_PLAIN :
						     VM_UNIT_UNALLOCATED;
}

/* --- one file ------------------------------------------------------------- */

/* What it has at offset, of len bytes that are all on its disk. */
static int
find_raw(const struct vm_overlay_layer *layer, uint64_t offset, uint64_t len,
    struct vm_overlay_run *run, struct vm_error *err)
{
	off_t data = lseek(layer->fd, (off_t)offset, SEEK_DATA), end;

	if (data == -1 && errno != ENXIO)
		return vm_error_errno(err, errno, "disk");
	if (data == -1 || (uint64_t)data > offset) {
		run->state = VM_UNIT_ZERO;
		run->len = data == -1 ? len : min(len, (uint64_t)data - offset);
		return 0;
	}
	end = lseek(layer->fd, (off_t)offset, SEEK_HOLE);
	if (end == -1)
		return vm_error_errno(err, errno, "disk");
	run->state = VM_UNIT_PLAIN;
	run->at = offset;
	run->len = min(len, (uint64_t)end - offset);
	return 0;
}

/* The unit at offset, to the unit's end. */
static struct vm_overlay_run
find_unit(const struct vm_overlay_layer *layer,
    const struct vm_overlay_table *table, uint64_t offset)
{
	const struct vm_qcow2_header *h = &layer->header;
	uint64_t in_cluster = offset & (h->cluster - 1);
	uint64_t unit = vm_overlay_unit(layer);
	struct vm_overlay_entry entry = vm_overlay_entry_get(layer, table,
	    (offset >> h->cluster_bits) % vm_overlay_per_table(layer));
	struct vm_overlay_run run = {
		.state = vm_overlay_entry_state(layer, entry,
		    (unsigned)(in_cluster / unit)),
		.len = unit - in_cluster % unit,
	};

	if (run.state == VM_UNIT_PLAIN)
		run.at = (entry.descriptor & VM_QCOW2_OFFSET) + in_cluster;
	if (run.state == VM_UNIT_PACKED) {
		run.at = entry.descriptor;
		run.len = h->cluster - in_cluster;
	}
	return run;
}

static bool
goes_on(const struct vm_overlay_run *run, const struct vm_overlay_run *next)
{
	if (run->state != next->state || run->state == VM_UNIT_PACKED)
		return false;
	return run->state != VM_UNIT_PLAIN || run->at + run->len == next->at;
}

/* The units from offset on that are alike, within one L2 table. */
static int
find_qcow2(struct vm_overlay *overlay, struct vm_overlay_layer *layer,
    uint64_t offset, uint64_t len, struct vm_overlay_run *run,
    struct vm_error *err)
{
	uint64_t per_l1 = vm_overlay_per_table(layer) * layer->header.cluster;
	uint64_t entry = layer->l1[offset / per_l1];
	const struct vm_overlay_table *table;

	len = min(len, per_l1 - offset % per_l1);
	if ((be64toh(entry) & VM_QCOW2_OFFSET) == 0) {
		run->state = VM_UNIT_UNALLOCATED;
		run->len = len;
		return 0;
	}
	table = vm_overlay_l2(overlay, layer, be64toh(entry) & VM_QCOW2_OFFSET,
	    err);
	if (table == NULL)
		return -1;
	*run = find_unit(layer, table, offset);
	while (run->len < len) {
		struct vm_overlay_run next = find_unit(layer, table,
		    offset + run->len);

		if (!goes_on(run, &next))
			break;
		run->len += next.len;
	}
	run->len = min(run->len, len);
	return 0;
}

/* --- the chain ------------------------------------------------------------ */

int
vm_overlay_in_range(const struct vm_overlay *overlay, uint64_t offset,
    uint64_t len, struct vm_error *err)
{
	uint64_t size = vm_overlay_size(overlay);

	if (offset > size || len > size - offset)
		return vm_error_set(err, VM_E_BUG, "bad_range",
		    "%llu bytes at %llu of a disk of %llu",
		    (unsigned long long)len, (unsigned long long)offset,
		    (unsigned long long)size);
	return 0;
}

int
vm_overlay_find(struct vm_overlay *overlay, uint64_t offset, uint64_t len,
    struct vm_overlay_run *run, struct vm_error *err)
{
	*run = (struct vm_overlay_run){ .len = len };
	for (size_t i = 0; i < overlay->count; i++) {
		struct vm_overlay_layer *layer = &overlay->layers[i];
		struct vm_overlay_run found = { .len = len, .depth = i };

		/* a shorter file holds nothing there, nor do those below */
		if (offset >= layer->size) {
			found.state = VM_UNIT_UNALLOCATED;
			*run = found;
			return 0;
		}
		len = min(len, layer->size - offset);
		if ((layer->is_raw ? find_raw(layer, offset, len, &found, err) :
				     find_qcow2(overlay, layer, offset, len,
					 &found, err)) == -1)
			return -1;
		found.depth = i;
		*run = found;
		if (found.state != VM_UNIT_UNALLOCATED)
			return 0;
		len = found.len;
	}
	return 0;
}

static enum vm_overlay_kind
kind_of(enum vm_overlay_state state)
{
	switch (state) {
	case VM_UNIT_UNALLOCATED:
		return VM_OVERLAY_HOLE;
	case VM_UNIT_ZERO:
		return VM_OVERLAY_ZERO;
	default:
		return VM_OVERLAY_DATA;
	}
}

int
vm_overlay_map(struct vm_overlay *overlay, uint64_t offset, uint64_t len,
    struct vm_overlay_extent *extent, struct vm_error *err)
{
	struct vm_overlay_extent found = { .offset = offset };
	struct vm_overlay_run run;

	if (vm_overlay_in_range(overlay, offset, len, err) == -1)
		return -1;
	while (found.len < len) {
		if (vm_overlay_find(overlay, offset + found.len,
			len - found.len, &run, err) == -1 ||
		    vm_proc_check_stop(err) == -1)
			return -1;
		if (found.len == 0) {
			found.kind = kind_of(run.state);
			found.depth = (unsigned)run.depth;
		} else if (found.kind != kind_of(run.state) ||
		    found.depth != run.depth) {
			break;
		}
		found.len += run.len;
	}
	*extent = found;
	return 0;
}
