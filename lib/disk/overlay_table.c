#include "lib/disk/overlay_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"

void
vm_overlay_cache_release(struct vm_overlay_cache *cache)
{
	for (size_t i = 0; i < VM_OVERLAY_SLOTS; i++)
		free(cache->slots[i].bytes);
}

struct vm_overlay_table *
vm_overlay_cache_find(struct vm_overlay_cache *cache, uint64_t offset)
{
	for (size_t i = 0; i < VM_OVERLAY_SLOTS; i++)
		if (cache->slots[i].offset == offset) {
			cache->slots[i].used = ++cache->now;
			return &cache->slots[i];
		}
	return NULL;
}

struct vm_overlay_table *
vm_overlay_cache_oldest(struct vm_overlay_cache *cache, uint64_t cluster,
    struct vm_error *err)
{
	struct vm_overlay_table *slot = &cache->slots[0];

	for (size_t i = 1; i < VM_OVERLAY_SLOTS; i++)
		if (cache->slots[i].used < slot->used)
			slot = &cache->slots[i];
	if (slot->bytes == NULL)
		slot->bytes = malloc((size_t)cluster);
	if (slot->bytes == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	return slot;
}

/* The slot holds the table at this offset now. */
static void
take(struct vm_overlay_cache *cache, struct vm_overlay_table *slot,
    uint64_t offset)
{
	slot->offset = offset;
	slot->used = ++cache->now;
}

int
vm_overlay_table_load(const struct vm_overlay_layer *layer,
    struct vm_overlay_cache *cache, struct vm_overlay_table *slot,
    uint64_t offset, struct vm_error *err)
{
	uint64_t cluster = layer->header.cluster;
	size_t got;

	slot->offset = 0; /* whatever happens: not what it was any more */
	if (offset == 0 || offset % cluster != 0 ||
	    offset > (uint64_t)INT64_MAX - cluster)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: a table at offset %llu, which is no cluster's",
		    (unsigned long long)offset);
	if (vm_fd_pread(layer->fd, slot->bytes, (size_t)cluster, offset, &got,
		"qcow2", err) == -1)
		return -1;
	if (got != cluster)
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "qcow2: the file ends inside a table, at offset %llu",
		    (unsigned long long)(offset + got));
	take(cache, slot, offset);
	return 0;
}

void
vm_overlay_table_clear(struct vm_overlay_cache *cache,
    struct vm_overlay_table *slot, uint64_t offset, uint64_t cluster)
{
	memset(slot->bytes, 0, (size_t)cluster);
	slot->is_dirty = true;
	take(cache, slot, offset);
}

int
vm_overlay_table_write(const struct vm_overlay_layer *layer,
    struct vm_overlay_table *table, struct vm_error *err)
{
	if (vm_fd_pwrite(layer->fd, table->bytes, (size_t)layer->header.cluster,
		table->offset, "qcow2", err) == -1)
		return -1;
	table->is_dirty = false;
	return 0;
}

/* A clean slot for one more L2 table. */
static struct vm_overlay_table *
make_room(struct vm_overlay *overlay, struct vm_overlay_layer *layer,
    struct vm_error *err)
{
	struct vm_overlay_table *slot = vm_overlay_cache_oldest(&layer->l2,
	    layer->header.cluster, err);

	/* An L2 table must not overtake what it names. */
	if (slot != NULL && slot->is_dirty &&
	    vm_overlay_flush(overlay, err) == -1)
		return NULL;
	return slot;
}

struct vm_overlay_table *
vm_overlay_l2(struct vm_overlay *overlay, struct vm_overlay_layer *layer,
    uint64_t offset, struct vm_error *err)
{
	struct vm_overlay_table *table;

	table = offset == 0 ? NULL : vm_overlay_cache_find(&layer->l2, offset);
	if (table != NULL)
		return table;
	table = make_room(overlay, layer, err);
	if (table == NULL ||
	    vm_overlay_table_load(layer, &layer->l2, table, offset, err) == -1)
		return NULL;
	return table;
}

struct vm_overlay_table *
vm_overlay_l2_new(struct vm_overlay *overlay, uint64_t offset,
    struct vm_error *err)
{
	struct vm_overlay_layer *layer = &overlay->layers[0];
	struct vm_overlay_table *table = make_room(overlay, layer, err);

	if (table != NULL)
		vm_overlay_table_clear(&layer->l2, table, offset,
		    layer->header.cluster);
	return table;
}
