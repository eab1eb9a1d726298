#include "lib/disk/qcow2_map.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"

static uint64_t
add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t
min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* --- the map ------------------------------------------------------------- */

/* Read a table, or a part of one, into numbers of our byte order. */
static int
read_table(int fd, uint64_t offset, uint64_t *entries, size_t count,
    struct vm_error *err)
{
	size_t len = count * sizeof(*entries), got;

	if (offset > INT64_MAX - len)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: a table at offset %llu",
		    (unsigned long long)offset);
	if (vm_fd_pread(fd, entries, len, offset, &got, "qcow2", err) == -1)
		return -1;
	if (got != len)
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "qcow2: the file ends inside a table, at offset %llu",
		    (unsigned long long)add(offset, got));
	for (size_t i = 0; i < count; i++)
		entries[i] = be64toh(entries[i]);
	return 0;
}

uint64_t
vm_qcow2_map_needs(const struct vm_qcow2_header *header)
{
	return add(header->l1_offset, header->l1_used * sizeof(uint64_t));
}

int
vm_qcow2_map_load(struct vm_qcow2_map *map, struct vm_error *err)
{
	size_t count = (size_t)map->header.l1_used;

	map->l1 = calloc(count, sizeof(*map->l1));
	if (map->l1 == NULL)
		return vm_error_nomem(err);
	return read_table(map->fd, map->header.l1_offset, map->l1, count, err);
}

/* The clusters of a chunk: the first one, and how many. */
static uint64_t
first_cluster(const struct vm_qcow2_map *map, uint64_t chunk, size_t *count)
{
	const struct vm_qcow2_header *h = &map->header;
	uint64_t begin = chunk * VM_CHUNK;
	uint64_t len = min(VM_CHUNK, h->virtual_size - begin);

	*count = (size_t)((len + h->cluster - 1) >> h->cluster_bits);
	return begin >> h->cluster_bits;
}

uint64_t
vm_qcow2_map_chunk_needs(const struct vm_qcow2_map *map, uint64_t chunk)
{
	unsigned table_bits = map->header.cluster_bits - 3;
	uint64_t first, last, needs = 0;
	size_t count;

	first = first_cluster(map, chunk, &count);
	last = first + count - 1;
	for (uint64_t i = first >> table_bits; i <= last >> table_bits; i++) {
		uint64_t offset = map->l1[i] & VM_QCOW2_OFFSET;

		if (offset != 0)
			needs = max(needs, offset + map->header.cluster);
	}
	return needs;
}

void
vm_qcow2_map_release(struct vm_qcow2_map *map)
{
	free(map->l1);
}

/* --- a chunk ------------------------------------------------------------- */

struct vm_qcow2_chunk *
vm_qcow2_chunk_new(const struct vm_qcow2_map *map, struct vm_error *err)
{
	struct vm_qcow2_chunk *chunk = malloc(sizeof(*chunk));

	if (chunk == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	chunk->map = map;
	/* The entry's number of sectors cannot say more than two clusters. */
	chunk->packed = malloc(2 * map->header.cluster);
	chunk->inflate = vm_inflate_new(map->header.zstd ? VM_INFLATE_ZSTD :
							   VM_INFLATE_DEFLATE,
	    err);
	if (chunk->packed == NULL)
		vm_error_nomem(err);
	if (chunk->packed != NULL && chunk->inflate != NULL)
		return chunk;
	vm_qcow2_chunk_clean(&chunk);
	return NULL;
}

static bool
is_hole(uint64_t entry)
{
	if (entry & VM_QCOW2_COMPRESSED)
		return false;
	return entry & VM_QCOW2_ZERO || (entry & VM_QCOW2_OFFSET) == 0;
}

/* Where the data of an entry that is no hole ends in the file. */
static uint64_t
end_of(const struct vm_qcow2_header *header, uint64_t entry)
{
	uint64_t begin, end;

	if (!(entry & VM_QCOW2_COMPRESSED))
		return (entry & VM_QCOW2_OFFSET) + header->cluster;
	vm_qcow2_packed(header, entry, &begin, &end);
	return end;
}

/* The chunk's entries, from one L2 table after the other. */
static int
read_entries(struct vm_qcow2_chunk *chunk, struct vm_error *err)
{
	const struct vm_qcow2_map *map = chunk->map;
	size_t per_table = (size_t)map->header.cluster / sizeof(uint64_t);
	uint64_t cluster = first_cluster(map, chunk->number, &chunk->count);

	for (size_t i = 0, part; i < chunk->count; i += part) {
		uint64_t *entries = chunk->entries + i;
		uint64_t table = map->l1[(cluster + i) / per_table] &
		    VM_QCOW2_OFFSET;
		size_t at = (size_t)((cluster + i) % per_table);

		part = (size_t)min(per_table - at, chunk->count - i);
		if (table == 0)
			memset(entries, 0, part * sizeof(*entries));
		else if (read_table(map->fd, table + at * sizeof(*entries),
			     entries, part, err) == -1)
			return -1;
	}
	return 0;
}

int
vm_qcow2_chunk_find(struct vm_qcow2_chunk *chunk, uint64_t number,
    struct vm_error *err)
{
	const struct vm_qcow2_header *header = &chunk->map->header;

	chunk->number = number;
	chunk->len = (size_t)min(VM_CHUNK,
	    header->virtual_size - number * VM_CHUNK);
	chunk->needs = chunk->holds = 0;
	if (read_entries(chunk, err) == -1)
		return -1;
	for (size_t i = 0; i < chunk->count; i++) {
		uint64_t entry = chunk->entries[i];

		if (is_hole(entry))
			continue;
		chunk->needs = max(chunk->needs, end_of(header, entry));
		chunk->holds += header->cluster;
	}
	return 0;
}

/* Read, and make up what is beyond the end. */
static int
read_plain(int fd, void *data, size_t len, uint64_t offset,
    struct vm_error *err)
{
	size_t got;

	if (vm_fd_pread(fd, data, len, offset, &got, "qcow2", err) == -1)
		return -1;
	memset((unsigned char *)data + got, 0, len - got);
	return 0;
}

static int
read_packed(struct vm_qcow2_chunk *chunk, uint64_t entry, void *data,
    struct vm_error *err)
{
	const struct vm_qcow2_header *header = &chunk->map->header;
	uint64_t begin, end;
	size_t got;

	vm_qcow2_packed(header, entry, &begin, &end);
	if (vm_fd_pread(chunk->map->fd, chunk->packed, end - begin, begin, &got,
		"qcow2", err) == -1)
		return -1;
	if (vm_inflate_block(chunk->inflate, chunk->packed, got, data,
		header->cluster, err) == -1)
		return vm_error_wrap(err, "qcow2: cluster at offset %llu",
		    (unsigned long long)begin);
	return 0;
}

/* How many clusters from the i-th on are alike: holes, or data in a row. */
static size_t
run_length(const struct vm_qcow2_chunk *chunk, size_t i)
{
	const uint64_t *entries = chunk->entries;
	bool hole = is_hole(entries[i]);
	size_t end = i + 1;

	if (entries[i] & VM_QCOW2_COMPRESSED)
		return 1;
	while (end < chunk->count && is_hole(entries[end]) == hole &&
	    (hole ||
		(!(entries[end] & VM_QCOW2_COMPRESSED) &&
		    (entries[end] & VM_QCOW2_OFFSET) ==
			end_of(&chunk->map->header, entries[end - 1]))))
		end++;
	return end - i;
}

int
vm_qcow2_chunk_read(struct vm_qcow2_chunk *chunk, struct vm_error *err)
{
	const struct vm_qcow2_map *map = chunk->map;
	unsigned bits = map->header.cluster_bits;

	for (size_t i = 0, run; i < chunk->count; i += run) {
		uint64_t entry = chunk->entries[i];
		unsigned char *to = chunk->data + (i << bits);
		int result = 0;

		run = run_length(chunk, i);
		if (entry & VM_QCOW2_COMPRESSED)
			result = read_packed(chunk, entry, to, err);
		else if (is_hole(entry))
			memset(to, 0, run << bits);
		else
			result = read_plain(map->fd, to, run << bits,
			    entry & VM_QCOW2_OFFSET, err);
		if (result == -1)
			return -1;
	}
	return 0;
}

void
vm_qcow2_chunk_clean(struct vm_qcow2_chunk **owned)
{
	struct vm_qcow2_chunk *chunk = *owned;

	if (chunk == NULL)
		return;
	vm_inflate_clean(&chunk->inflate);
	free(chunk->packed);
	free(chunk);
}
