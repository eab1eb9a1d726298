/*
 * qcow2_map.h - where a qcow2 file keeps a chunk of its disk, and reading it.
 *
 * The tables are used as they are found, whatever they say: what is asked of
 * them tells how much of the file must be there first, and nothing that they
 * hold makes a read go beyond its buffer.  Whether they are right as a whole
 * is said by check.h.
 */
#ifndef VM_DISK_QCOW2_MAP_H
#define VM_DISK_QCOW2_MAP_H

#include "lib/adapt/inflate.h"
#include "lib/disk/chunks.h"
#include "lib/disk/qcow2_header.h"

struct vm_qcow2_map {
	int fd; /* the caller's */
	struct vm_qcow2_header header;
	uint64_t *l1; /* header.l1_used entries */
};

/* Bytes that must be there for vm_qcow2_map_load(). */
uint64_t vm_qcow2_map_needs(const struct vm_qcow2_header *header);

/*
 * Load the L1 table; fd and header are set.  VM_E_DATA "truncated",
 * "bad_table".
 */
int vm_qcow2_map_load(struct vm_qcow2_map *map, struct vm_error *err)
    VM_MUST_CHECK;

/* Bytes that must be there for a chunk's L2 tables; 0: it has none, a hole. */
uint64_t vm_qcow2_map_chunk_needs(const struct vm_qcow2_map *map,
    uint64_t chunk);

void vm_qcow2_map_release(struct vm_qcow2_map *map);

/* One chunk at a time, for one thread. */
struct vm_qcow2_chunk {
	const struct vm_qcow2_map *map;
	struct vm_inflate *inflate;
	unsigned char *packed; /* as it is in the file */
	uint64_t number;
	size_t len;	/* bytes of it, the last one's being fewer */
	uint64_t needs; /* bytes that must be there for its data */
	uint64_t holds; /* bytes of data, not holes */
	size_t count;
	uint64_t entries[VM_CHUNK / 512]; /* L2, of each cluster */
	unsigned char data[VM_CHUNK];
};

/* The caller's to release; the map stays the caller's. */
struct vm_qcow2_chunk *vm_qcow2_chunk_new(const struct vm_qcow2_map *map,
    struct vm_error *err) VM_MUST_CHECK;

/* Look chunk `number` up: its len, needs and holds. */
int vm_qcow2_chunk_find(struct vm_qcow2_chunk *chunk, uint64_t number,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Fill `data` with the chunk found.  What lies beyond the file's end reads as
 * zeros.  VM_E_DATA "bad_table", "bad_compression".
 */
int vm_qcow2_chunk_read(struct vm_qcow2_chunk *chunk, struct vm_error *err)
    VM_MUST_CHECK;

void vm_qcow2_chunk_clean(struct vm_qcow2_chunk **chunk);
#define VM_CLEAN_QCOW2_CHUNK VM_CLEAN(vm_qcow2_chunk_clean)

#endif
