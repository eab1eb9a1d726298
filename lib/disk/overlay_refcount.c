/*
 * overlay_refcount.c - which clusters of the top file are in use.
 *
 * New clusters come from the end of the file, so that nothing that a crash
 * left behind, counted or not, is ever mistaken for free.  A cluster whose
 * count has no refcount block yet becomes that block itself, and so counts
 * itself.  When the refcount table is full, a larger one is made in memory;
 * overlay_flush.c gives it clusters, like anything else, and moves over to it.
 */
#include "lib/disk/overlay_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "lib/disk/layout.h"

#define REFCOUNT_BYTES 2
#define REFTABLE_MAX_BYTES ((uint64_t)8 << 20) /* as in QEMU */
#define CLUSTERS_MAX(overlay)                                                  \
	((VM_QCOW2_OFFSET + 1) >> (overlay)->layers[0].header.cluster_bits)

/* --- the writer ----------------------------------------------------------- */

static int
load_reftable(const struct vm_overlay_layer *layer,
    struct vm_overlay_writer *writer, struct vm_error *err)
{
	const struct vm_qcow2_header *h = &layer->header;
	size_t len = (size_t)h->reftable_bytes, got;

	if (h->reftable_offset % h->cluster != 0 || h->reftable_offset == 0 ||
	    h->reftable_offset > layer->file_size ||
	    len > layer->file_size - h->reftable_offset)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: a refcount table of %zu bytes at offset %llu", len,
		    (unsigned long long)h->reftable_offset);
	writer->reftable = malloc(len);
	if (writer->reftable == NULL)
		return vm_error_nomem(err);
	writer->reftable_count = len / sizeof(*writer->reftable);
	if (vm_fd_pread(layer->fd, writer->reftable, len, h->reftable_offset,
		&got, "qcow2", err) == -1)
		return -1;
	if (got != len)
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "qcow2: the file ends inside its refcount table");
	return 0;
}

int
vm_overlay_writer_open(struct vm_overlay *overlay, struct vm_error *err)
{
	const struct vm_overlay_layer *layer = &overlay->layers[0];
	const struct vm_qcow2_header *h = &layer->header;
	struct vm_overlay_writer *writer;

	if (layer->is_raw || h->version != 3 ||
	    h->refcount_bits != 8 * REFCOUNT_BYTES)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "only qcow2 files of version 3 with refcounts of 16 bits "
		    "are written");
	writer = overlay->writer = calloc(1, sizeof(*writer));
	if (writer == NULL)
		return vm_error_nomem(err);
	writer->next = (layer->file_size + h->cluster - 1) >> h->cluster_bits;
	writer->cluster = malloc((size_t)h->cluster);
	if (writer->cluster == NULL)
		return vm_error_nomem(err);
	return load_reftable(layer, writer, err);
}

void
vm_overlay_writer_close(struct vm_overlay *overlay)
{
	struct vm_overlay_writer *writer = VM_TAKE(overlay->writer);

	if (writer == NULL)
		return;
	free(writer->reftable);
	free(writer->freed);
	free(writer->cluster);
	vm_overlay_cache_release(&writer->refblocks);
	free(writer);
}

/* --- refcount blocks ------------------------------------------------------ */

static uint64_t
per_block(const struct vm_overlay *overlay)
{
	return overlay->layers[0].header.cluster / REFCOUNT_BYTES;
}

/*
 * A clean slot for one more block.  It may be written back at any time: counts
 * are raised before anything needs them, and lowered only when nothing does.
 */
static struct vm_overlay_table *
make_room(struct vm_overlay *overlay, struct vm_error *err)
{
	const struct vm_overlay_layer *layer = &overlay->layers[0];
	struct vm_overlay_table *slot = vm_overlay_cache_oldest(
	    &overlay->writer->refblocks, layer->header.cluster, err);

	if (slot != NULL && slot->is_dirty &&
	    vm_overlay_table_write(layer, slot, err) == -1)
		return NULL;
	return slot;
}

/* The block at this offset. */
static struct vm_overlay_table *
get_block(struct vm_overlay *overlay, uint64_t offset, struct vm_error *err)
{
	struct vm_overlay_cache *cache = &overlay->writer->refblocks;
	struct vm_overlay_table *block = vm_overlay_cache_find(cache, offset);

	if (block != NULL)
		return block;
	block = make_room(overlay, err);
	if (block == NULL ||
	    vm_overlay_table_load(&overlay->layers[0], cache, block, offset,
		err) == -1)
		return NULL;
	return block;
}

static unsigned
get_count(const struct vm_overlay_table *block, uint64_t i)
{
	const unsigned char *at = block->bytes + i * REFCOUNT_BYTES;

	return (unsigned)at[0] << 8 | at[1];
}

static void
set_count(struct vm_overlay_table *block, uint64_t i, unsigned count)
{
	unsigned char *at = block->bytes + i * REFCOUNT_BYTES;

	at[0] = (unsigned char)(count >> 8);
	at[1] = (unsigned char)count;
	block->is_dirty = true;
}

/* --- allocation ----------------------------------------------------------- */

/* Make the refcount table large enough for this entry, in memory. */
static int
grow_reftable(struct vm_overlay *overlay, uint64_t index, struct vm_error *err)
{
	struct vm_overlay_writer *writer = overlay->writer;
	uint64_t count = writer->reftable_count;
	uint64_t *table;

	while (count <= index)
		count *= 2;
	if (count * sizeof(*table) > REFTABLE_MAX_BYTES)
		return vm_error_set(err, VM_E_IO, "too_large",
		    "qcow2: the file is too large for its clusters");
	table = realloc(writer->reftable, (size_t)count * sizeof(*table));
	if (table == NULL)
		return vm_error_nomem(err);
	memset(table + writer->reftable_count, 0,
	    (size_t)(count - writer->reftable_count) * sizeof(*table));
	writer->reftable = table;
	writer->reftable_count = count;
	return 0;
}

/* Make a cluster the refcount block of its own surroundings. */
static int
add_block(struct vm_overlay *overlay, uint64_t cluster, struct vm_error *err)
{
	const struct vm_qcow2_header *h = &overlay->layers[0].header;
	struct vm_overlay_writer *writer = overlay->writer;
	uint64_t index = cluster / per_block(overlay);
	struct vm_overlay_table *block = make_room(overlay, err);

	if (block == NULL)
		return -1;
	vm_overlay_table_clear(&writer->refblocks, block,
	    cluster << h->cluster_bits, h->cluster);
	set_count(block, cluster % per_block(overlay), 1);
	writer->reftable[index] = htobe64(cluster << h->cluster_bits);
	vm_overlay_touch(&writer->reftable_dirty, index);
	return 0;
}

/* The block that counts a cluster, or NULL without an error: there is none. */
static struct vm_overlay_table *
find_block(struct vm_overlay *overlay, uint64_t cluster, struct vm_error *err)
{
	struct vm_overlay_writer *writer = overlay->writer;
	uint64_t index = cluster / per_block(overlay);

	if (index >= writer->reftable_count || writer->reftable[index] == 0)
		return NULL;
	return get_block(overlay, be64toh(writer->reftable[index]), err);
}

/* Is the cluster counted as free?  When nothing counts it, it does itself. */
static int
is_free(struct vm_overlay *overlay, uint64_t cluster, bool *free,
    struct vm_error *err)
{
	struct vm_overlay_writer *writer = overlay->writer;
	uint64_t index = cluster / per_block(overlay);
	struct vm_overlay_table *block;

	*free = false;
	if (cluster >= CLUSTERS_MAX(overlay))
		return vm_error_set(err, VM_E_IO, "too_large",
		    "qcow2: the file is too large");
	if (index >= writer->reftable_count &&
	    grow_reftable(overlay, index, err) == -1)
		return -1;
	if (writer->reftable[index] == 0)
		return add_block(overlay, cluster, err);
	block = find_block(overlay, cluster, err);
	if (block == NULL)
		return -1;
	*free = get_count(block, cluster % per_block(overlay)) == 0;
	return 0;
}

int
vm_overlay_allocate(struct vm_overlay *overlay, uint64_t count,
    uint64_t *offset, struct vm_error *err)
{
	uint64_t first = overlay->writer->next, found = 0;
	bool free;

	while (found < count) {
		if (is_free(overlay, first + found, &free, err) == -1 ||
		    vm_proc_check_stop(err) == -1)
			return -1;
		if (free) {
			found++;
		} else {
			first += found + 1;
			found = 0;
		}
	}
	for (uint64_t i = first; i < first + count; i++) {
		struct vm_overlay_table *block = find_block(overlay, i, err);

		if (block == NULL)
			return -1;
		set_count(block, i % per_block(overlay), 1);
	}
	overlay->writer->next = first + count;
	*offset = first << overlay->layers[0].header.cluster_bits;
	return 0;
}

/* --- what is not needed any more ------------------------------------------ */

int
vm_overlay_free(struct vm_overlay *overlay, uint64_t offset, uint64_t count,
    struct vm_error *err)
{
	struct vm_overlay_writer *writer = overlay->writer;

	if (writer->freed_count == writer->freed_cap) {
		size_t cap = writer->freed_cap == 0 ? 64 :
						      2 * writer->freed_cap;
		struct vm_overlay_freed *freed = realloc(writer->freed,
		    cap * sizeof(*freed));

		if (freed == NULL)
			return vm_error_nomem(err);
		writer->freed = freed;
		writer->freed_cap = cap;
	}
	writer->freed[writer->freed_count++] = (struct vm_overlay_freed){
		.cluster = offset >> overlay->layers[0].header.cluster_bits,
		.count = count,
	};
	return 0;
}

static int
lower(struct vm_overlay *overlay, uint64_t cluster, struct vm_error *err)
{
	struct vm_error cause = { 0 };
	struct vm_overlay_table *block = find_block(overlay, cluster, &cause);
	uint64_t i = cluster % per_block(overlay);

	if (vm_error_is_set(&cause))
		return vm_error_set(err, cause.kind, cause.code, "%s",
		    cause.message);
	if (block == NULL || get_count(block, i) == 0)
		return vm_error_set(err, VM_E_DATA, "bad_refcount",
		    "qcow2: cluster %llu was in use and not counted",
		    (unsigned long long)cluster);
	set_count(block, i, get_count(block, i) - 1);
	return 0;
}

int
vm_overlay_lower(struct vm_overlay *overlay, struct vm_error *err)
{
	struct vm_overlay_writer *writer = overlay->writer;

	while (writer->freed_count > 0) {
		struct vm_overlay_freed it =
		    writer->freed[--writer->freed_count];

		for (uint64_t i = 0; i < it.count; i++)
			if (lower(overlay, it.cluster + i, err) == -1)
				return -1;
	}
	return 0;
}
