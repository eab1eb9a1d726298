/*
 * overlay_private.h - what the files of overlay.h share.
 *
 * overlay.c opens a chain, overlay_table.c keeps its tables in memory,
 * overlay_map.c finds what is where, overlay_read.c reads it; overlay_write.c,
 * overlay_refcount.c and overlay_flush.c are for the top file only;
 * overlay_check.c looks at all of its tables.  Table entries are big-endian
 * wherever they are kept.
 */
#ifndef VM_DISK_OVERLAY_PRIVATE_H
#define VM_DISK_OVERLAY_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/adapt/inflate.h"
#include "lib/disk/backing.h"
#include "lib/disk/overlay.h"
#include "lib/disk/qcow2_header.h"

#define VM_SUBCLUSTERS 32 /* of a cluster with an extended L2 entry */

/* --- tables in memory ----------------------------------------------------- */

/* An L2 table or a refcount block: a cluster of the file. */
struct vm_overlay_table {
	uint64_t offset; /* in the file; 0: this slot is empty */
	uint64_t used;	 /* when it was asked for last */
	bool is_dirty;	 /* and not yet in the file */
	unsigned char *bytes;
};

/* Some of them, those asked for last; all zero is an empty one. */
#define VM_OVERLAY_SLOTS 16 /* 8 GiB of a disk with clusters of 64 KiB */

struct vm_overlay_cache {
	struct vm_overlay_table slots[VM_OVERLAY_SLOTS];
	uint64_t now; /* counts the times something is asked for */
};

/* --- a file of the chain -------------------------------------------------- */

struct vm_overlay_layer {
	int fd;
	bool is_raw;	    /* of what follows only file_size and size */
	uint64_t file_size; /* bytes, when it was opened */
	uint64_t size;	    /* virtual, bytes */
	struct vm_qcow2_header header;
	uint64_t *l1; /* header.l1_used entries */
	struct vm_overlay_cache l2;
	struct vm_inflate *inflate; /* NULL: nothing unpacked so far */
	unsigned char *packed;	    /* a cluster as it is in the file */
	unsigned char *plain;	    /* and unpacked */
	uint64_t unpacked; /* the L2 entry that `plain` holds; 0: none */
};

/* Entries of a table in memory that are not in the file yet. */
struct vm_overlay_range {
	uint64_t first, end; /* the one behind the last; the same: none */
};

/* Clusters whose counts are to be lowered. */
struct vm_overlay_freed {
	uint64_t cluster, count;
};

/* What only a top file that is written needs. */
struct vm_overlay_writer {
	uint64_t *reftable;	 /* refcount table */
	uint64_t reftable_count; /* its entries, whole clusters of them */
	struct vm_overlay_range reftable_dirty, l1_dirty;
	struct vm_overlay_cache refblocks;
	uint64_t next; /* the cluster to be tried first for a new one */
	struct vm_overlay_freed *freed;
	size_t freed_count, freed_cap;
	unsigned char *cluster; /* one, being put together */
	bool is_broken;		/* a flush has failed */
};

struct vm_overlay {
	struct vm_overlay_layer layers[VM_CHAIN_MAX + 1]; /* the top is 0 */
	size_t count;
	struct vm_overlay_writer *writer; /* NULL: only read */
};

/* --- overlay_table.c ------------------------------------------------------ */

void vm_overlay_cache_release(struct vm_overlay_cache *cache);

/* The table at this offset, or NULL when the cache does not have it. */
struct vm_overlay_table *vm_overlay_cache_find(struct vm_overlay_cache *cache,
    uint64_t offset);

/*
 * The slot asked for longest ago, with memory.  When it is dirty the caller
 * writes it before he takes it for another table.
 */
struct vm_overlay_table *vm_overlay_cache_oldest(struct vm_overlay_cache *cache,
    uint64_t cluster, struct vm_error *err) VM_MUST_CHECK;

/*
 * Fill a clean slot from the file.  A table that is unaligned or not in the
 * file as a whole: VM_E_DATA "bad_table", "truncated".
 */
int vm_overlay_table_load(const struct vm_overlay_layer *layer,
    struct vm_overlay_cache *cache, struct vm_overlay_table *slot,
    uint64_t offset, struct vm_error *err) VM_MUST_CHECK;

/* Take a clean slot for a new table of zeros. */
void vm_overlay_table_clear(struct vm_overlay_cache *cache,
    struct vm_overlay_table *slot, uint64_t offset, uint64_t cluster);

/* Write the table back. */
int vm_overlay_table_write(const struct vm_overlay_layer *layer,
    struct vm_overlay_table *table, struct vm_error *err) VM_MUST_CHECK;

/*
 * An L2 table of a layer.  In a top file that is written this may flush, to
 * make room.  Valid until the next call for the same layer.
 */
struct vm_overlay_table *vm_overlay_l2(struct vm_overlay *overlay,
    struct vm_overlay_layer *layer, uint64_t offset, struct vm_error *err)
    VM_MUST_CHECK;

/* A new L2 table of zeros, in the top file. */
struct vm_overlay_table *vm_overlay_l2_new(struct vm_overlay *overlay,
    uint64_t offset, struct vm_error *err) VM_MUST_CHECK;

/* --- overlay_map.c -------------------------------------------------------- */

/* An L2 entry; bitmap is 0 when it is not an extended one. */
struct vm_overlay_entry {
	uint64_t descriptor;
	uint64_t bitmap;
};

struct vm_overlay_entry vm_overlay_entry_get(
    const struct vm_overlay_layer *layer, const struct vm_overlay_table *table,
    uint64_t index);

/* What a subcluster is, or a cluster without them. */
enum vm_overlay_state {
	VM_UNIT_UNALLOCATED,
	VM_UNIT_ZERO,
	VM_UNIT_PLAIN,
	VM_UNIT_PACKED,
};

/* i is less than VM_SUBCLUSTERS; 0 when entries are not extended. */
enum vm_overlay_state vm_overlay_entry_state(
    const struct vm_overlay_layer *layer, struct vm_overlay_entry entry,
    unsigned i);

/* Bytes of what has a state of its own. */
uint64_t vm_overlay_unit(const struct vm_overlay_layer *layer);

/* Entries of an L2 table. */
uint64_t vm_overlay_per_table(const struct vm_overlay_layer *layer);

/* What one file of the chain has, without a break, for a part of the disk. */
struct vm_overlay_run {
	enum vm_overlay_state state; /* unallocated: in no file */
	uint64_t len;
	uint64_t at; /* plain: the offset in the file; packed: the entry */
	size_t depth;
};

/* The same for the part's beginning, through the chain; run->len <= len. */
int vm_overlay_find(struct vm_overlay *overlay, uint64_t offset, uint64_t len,
    struct vm_overlay_run *run, struct vm_error *err) VM_MUST_CHECK;

/* Is [offset, offset + len) on the disk? */
int vm_overlay_in_range(const struct vm_overlay *overlay, uint64_t offset,
    uint64_t len, struct vm_error *err) VM_MUST_CHECK;

/* --- overlay_refcount.c --------------------------------------------------- */

/* Ready a top file for writing: its refcount table. */
int vm_overlay_writer_open(struct vm_overlay *overlay, struct vm_error *err)
    VM_MUST_CHECK;
void vm_overlay_writer_close(struct vm_overlay *overlay);

/* New clusters in a row, each counted once; the file's offset of the first. */
int vm_overlay_allocate(struct vm_overlay *overlay, uint64_t count,
    uint64_t *offset, struct vm_error *err) VM_MUST_CHECK;

/* Clusters from offset on are used once less after the next flush. */
int vm_overlay_free(struct vm_overlay *overlay, uint64_t offset, uint64_t count,
    struct vm_error *err) VM_MUST_CHECK;

/* Lower the counts of what was freed. */
int vm_overlay_lower(struct vm_overlay *overlay, struct vm_error *err)
    VM_MUST_CHECK;

/* --- overlay_flush.c ------------------------------------------------------ */

/* Opened for writing, and all that was flushed has been. */
int vm_overlay_can_write(const struct vm_overlay *overlay, struct vm_error *err)
    VM_MUST_CHECK;

static inline void
vm_overlay_touch(struct vm_overlay_range *range, uint64_t i)
{
	if (range->first == range->end)
		range->first = range->end = i;
	if (i < range->first)
		range->first = i;
	if (i >= range->end)
		range->end = i + 1;
}

#endif
