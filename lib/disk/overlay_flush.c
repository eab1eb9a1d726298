/*
 * overlay_flush.c - the tables of the top file go out, in the order of
 * overlay.h.  Each function ends with the state "what I wrote may not be there
 * yet"; who needs it there syncs first.
 */
#include "lib/disk/overlay_private.h"

#include <errno.h>

#include "lib/base/fd.h"
#include "lib/store/durable.h"

#define HEADER_REFTABLE 48 /* offset (8 bytes) and clusters (4) in the header */

static struct vm_overlay_layer *
top(struct vm_overlay *overlay)
{
	return &overlay->layers[0];
}

static int
sync_file(struct vm_overlay *overlay, struct vm_error *err)
{
	if (vm_durable_fsync(NULL, top(overlay)->fd) == -1)
		return vm_error_errno(err, errno, "disk");
	return 0;
}

static bool
is_empty(const struct vm_overlay_range *range)
{
	return range->first == range->end;
}

static bool
is_dirty(const struct vm_overlay_cache *cache)
{
	for (size_t i = 0; i < VM_OVERLAY_SLOTS; i++)
		if (cache->slots[i].is_dirty)
			return true;
	return false;
}

static int
write_cache(struct vm_overlay *overlay, struct vm_overlay_cache *cache,
    struct vm_error *err)
{
	for (size_t i = 0; i < VM_OVERLAY_SLOTS; i++)
		if (cache->slots[i].is_dirty &&
		    vm_overlay_table_write(top(overlay), &cache->slots[i],
			err) == -1)
			return -1;
	return 0;
}

/* Those entries of a table that lies at this offset. */
static int
write_range(struct vm_overlay *overlay, uint64_t offset, const uint64_t *table,
    struct vm_overlay_range *range, struct vm_error *err)
{
	uint64_t count = range->end - range->first;

	if (vm_fd_pwrite(top(overlay)->fd, table + range->first,
		(size_t)count * sizeof(*table),
		offset + range->first * sizeof(*table), "qcow2", err) == -1)
		return -1;
	*range = (struct vm_overlay_range){ 0 };
	return 0;
}

/* --- refcounts ------------------------------------------------------------ */

/* Did it grow out of its place in the file? */
static bool
must_move(struct vm_overlay *overlay)
{
	return overlay->writer->reftable_count * sizeof(uint64_t) !=
	    top(overlay)->header.reftable_bytes;
}

/* Clusters for the refcount table, which may grow once more by that. */
static int
allocate_reftable(struct vm_overlay *overlay, uint64_t *offset, uint64_t *bytes,
    struct vm_error *err)
{
	unsigned bits = top(overlay)->header.cluster_bits;
	const uint64_t *count = &overlay->writer->reftable_count;

	for (;;) {
		*bytes = *count * sizeof(uint64_t);
		if (vm_overlay_allocate(overlay, *bytes >> bits, offset, err) ==
		    -1)
			return -1;
		if (*bytes == *count * sizeof(uint64_t))
			return 0;
		if (vm_overlay_free(overlay, *offset, *bytes >> bits, err) ==
		    -1)
			return -1;
	}
}

/* The header's two numbers lie in one sector, which changes as a whole. */
static int
write_header(struct vm_overlay *overlay, uint64_t offset, uint64_t bytes,
    struct vm_error *err)
{
	struct vm_qcow2_header *h = &top(overlay)->header;
	struct {
		uint64_t offset;
		uint32_t clusters;
	} __attribute__((packed)) place = {
		.offset = htobe64(offset),
		.clusters = htobe32((uint32_t)(bytes >> h->cluster_bits)),
	};

	if (vm_fd_pwrite(top(overlay)->fd, &place, sizeof(place),
		HEADER_REFTABLE, "qcow2", err) == -1)
		return -1;
	h->reftable_offset = offset;
	h->reftable_bytes = bytes;
	return 0;
}

/* The refcount table to a new place, and its old one is free. */
static int
move_reftable(struct vm_overlay *overlay, struct vm_error *err)
{
	struct vm_overlay_writer *writer = overlay->writer;
	const struct vm_qcow2_header old = top(overlay)->header;
	struct vm_overlay_range all = { .first = 0 };
	uint64_t offset, bytes;

	if (allocate_reftable(overlay, &offset, &bytes, err) == -1)
		return -1;
	all.end = writer->reftable_count;
	if (write_cache(overlay, &writer->refblocks, err) == -1 ||
	    write_range(overlay, offset, writer->reftable, &all, err) == -1 ||
	    sync_file(overlay, err) == -1 ||
	    write_header(overlay, offset, bytes, err) == -1)
		return -1;
	writer->reftable_dirty = all;
	return vm_overlay_free(overlay, old.reftable_offset,
	    old.reftable_bytes >> old.cluster_bits, err);
}

static int
write_refcounts(struct vm_overlay *overlay, struct vm_error *err)
{
	struct vm_overlay_writer *writer = overlay->writer;

	if (must_move(overlay))
		return move_reftable(overlay, err);
	if (write_cache(overlay, &writer->refblocks, err) == -1)
		return -1;
	if (is_empty(&writer->reftable_dirty))
		return 0;
	if (sync_file(overlay, err) == -1)
		return -1;
	return write_range(overlay, top(overlay)->header.reftable_offset,
	    writer->reftable, &writer->reftable_dirty, err);
}

/* --- all of it ------------------------------------------------------------ */

static int
flush(struct vm_overlay *overlay, struct vm_error *err)
{
	struct vm_overlay_writer *writer = overlay->writer;
	struct vm_overlay_layer *layer = top(overlay);

	if (write_refcounts(overlay, err) == -1)
		return -1;
	if (is_dirty(&layer->l2) &&
	    (sync_file(overlay, err) == -1 ||
		write_cache(overlay, &layer->l2, err) == -1))
		return -1;
	if (!is_empty(&writer->l1_dirty) &&
	    (sync_file(overlay, err) == -1 ||
		write_range(overlay, layer->header.l1_offset, layer->l1,
		    &writer->l1_dirty, err) == -1))
		return -1;
	if (sync_file(overlay, err) == -1)
		return -1;
	if (writer->freed_count == 0)
		return 0;
	if (vm_overlay_lower(overlay, err) == -1)
		return -1;
	return write_cache(overlay, &writer->refblocks, err);
}

int
vm_overlay_can_write(const struct vm_overlay *overlay, struct vm_error *err)
{
	if (overlay->writer == NULL)
		return vm_error_set(err, VM_E_BUG, "read_only",
		    "the disk was opened for reading");
	if (overlay->writer->is_broken)
		return vm_error_set(err, VM_E_IO, "flush_failed",
		    "what was written before could not be made to last");
	return 0;
}

int
vm_overlay_flush(struct vm_overlay *overlay, struct vm_error *err)
{
	if (vm_overlay_can_write(overlay, err) == -1)
		return -1;
	overlay->writer->is_broken = true;
	if (flush(overlay, err) == -1)
		return -1;
	overlay->writer->is_broken = false;
	return 0;
}
