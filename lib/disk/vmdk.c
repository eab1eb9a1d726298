#include "lib/disk/vmdk.h"

#include "lib/base/proc.h"
#include "lib/disk/layout.h"
#include "lib/disk/vmdk_text.h"

#define SECTOR_BITS 9
#define SECTOR ((size_t)VM_SECTOR)
#define TEXT_SECTORS 20u /* what others read of the descriptor, always */
#define TABLE_ENTRIES 512u
#define TABLE ((size_t)TABLE_ENTRIES * 4)
#define GRAIN_MIN 8u /* sectors */
#define GRAIN_MAX ((uint64_t)1 << 16)
#define AT_END UINT64_MAX
#define ENTRY_ZERO 1u /* where the flag allows it */
#define MARKER 12     /* in front of a grain: its sector, its length */
#define MARKER_END 0u
#define MARKER_FOOTER 3u

#define FLAG_COPY 2u /* of directory and tables */
#define FLAG_ZERO 4u
#define FLAG_PACKED 0x10000u
#define FLAG_MARKERS 0x20000u
#define FLAGS (1u | FLAG_COPY | FLAG_ZERO | FLAG_PACKED | FLAG_MARKERS)

/* Places in the header. */
#define AT_VERSION 4
#define AT_FLAGS 8
#define AT_CAPACITY 12
#define AT_GRAIN 20
#define AT_TEXT 28
#define AT_TEXT_LEN 36
#define AT_ENTRIES 44
#define AT_COPY 48
#define AT_DIRECTORY 56
#define AT_DATA 64
#define AT_UNCLEAN 72
#define AT_NEWLINES 73
#define AT_PACKING 77

struct vmdk {
	struct vm_layout file; /* in sectors */
	uint32_t flags;
	uint64_t sectors, grain;  /* sectors */
	uint64_t directory, copy; /* sectors; copy 0: none */
	uint64_t tables;
	uint64_t allocated;
	unsigned char table[TABLE], copied[TABLE];
};

static uint64_t
bytes_of(uint64_t sector)
{
	return sector > UINT64_MAX >> SECTOR_BITS ? UINT64_MAX << SECTOR_BITS :
						    sector << SECTOR_BITS;
}

/* --- header -------------------------------------------------------------- */

static int
check_kind(const unsigned char *h, struct vm_error *err)
{
	uint32_t packed = FLAG_PACKED | FLAG_MARKERS;
	uint32_t flags = vm_le32(h, AT_FLAGS);

	if (memcmp(h, "COWD", 4) == 0)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VMDK: a sparse disk of ESX (COWD) is not accepted");
	if (memcmp(h, "KDMV", 4) != 0)
		return vm_error_set(err, VM_E_DATA, "data_file",
		    "VMDK: only a descriptor: its data is in other files");
	if (vm_le32(h, AT_VERSION) < 1 || vm_le32(h, AT_VERSION) > 3 ||
	    (flags & ~FLAGS) != 0)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VMDK: version %u with the flags %#x is not accepted",
		    vm_le32(h, AT_VERSION), flags);
	if ((flags & packed) != (vm_le16(h, AT_PACKING) == 1 ? packed : 0) ||
	    vm_le16(h, AT_PACKING) > 1)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VMDK: compression %u with the flags %#x",
		    vm_le16(h, AT_PACKING), flags);
	if (memcmp(h + AT_NEWLINES, "\n \r\n", 4) != 0)
		return vm_error_set(err, VM_E_DATA, "corrupt",
		    "VMDK: its line ends were converted on the way here");
	if (h[AT_UNCLEAN] != 0)
		return vm_error_set(err, VM_E_DATA, "dirty",
		    "VMDK: not closed by its last writer");
	return 0;
}

/* What is at the end of a stream: a marker, the header again, a marker. */
static int
read_footer(struct vmdk *v, unsigned char *h, struct vm_error *err)
{
	unsigned char f[3 * SECTOR];
	uint64_t at = v->file.file_size - sizeof(f); /* or beyond any end */

	if (vm_layout_read(&v->file, f, sizeof(f), at, err) == -1 ||
	    vm_le32(f, 8) != 0 || vm_le32(f, 12) != MARKER_FOOTER ||
	    !vm_is_zero(f + 2 * SECTOR, 16))
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "VMDK: it does not end with a footer");
	if (memcmp(f + SECTOR, h, AT_TEXT) != 0 ||
	    vm_le32(f + SECTOR, AT_ENTRIES) != vm_le32(h, AT_ENTRIES) ||
	    memcmp(f + SECTOR + AT_UNCLEAN, h + AT_UNCLEAN, 7) != 0 ||
	    vm_le64(f + SECTOR, AT_DIRECTORY) == AT_END)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VMDK: the footer at the end is not the header's");
	memcpy(h, f + SECTOR, SECTOR);
	return vm_layout_take(&v->file, at, sizeof(f), "footer", err);
}

static int
check_sizes(struct vmdk *v, const unsigned char *h, uint64_t max_bytes,
    struct vm_error *err)
{
	v->sectors = vm_le64(h, AT_CAPACITY);
	v->grain = vm_le64(h, AT_GRAIN);
	if (v->grain < GRAIN_MIN || v->grain > GRAIN_MAX ||
	    (v->grain & (v->grain - 1)) != 0 ||
	    vm_le32(h, AT_ENTRIES) != TABLE_ENTRIES)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VMDK: grains of %llu sectors, %u in a table",
		    (unsigned long long)v->grain, vm_le32(h, AT_ENTRIES));
	if (bytes_of(vm_le64(h, AT_DATA)) > v->file.file_size)
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "VMDK: it ends in front of its first grain");
	if (vm_layout_check_size(&v->file, bytes_of(v->sectors), max_bytes,
		err) == -1)
		return -1;
	v->tables = (v->sectors + TABLE_ENTRIES * v->grain - 1) /
	    (TABLE_ENTRIES * v->grain);
	return 0;
}

/* Others read the descriptor at this place, whatever the header says. */
static int
check_text(struct vmdk *v, const unsigned char *h, struct vm_error *err)
{
	char text[TEXT_SECTORS * SECTOR];
	uint64_t len = vm_le64(h, AT_TEXT_LEN);
	const struct vm_vmdk_text check = {
		.text = text,
		.len = (size_t)len * SECTOR,
		.seen = sizeof(text),
		.type = v->flags & FLAG_PACKED ? "streamOptimized" :
						 "monolithicSparse",
		.sectors = v->sectors,
		.slack = v->grain,
	};

	if (vm_le64(h, AT_TEXT) != 1 || len == 0 || len > TEXT_SECTORS)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VMDK: a descriptor of %llu sectors at sector %llu",
		    (unsigned long long)len,
		    (unsigned long long)vm_le64(h, AT_TEXT));
	if (vm_layout_read(&v->file, text, sizeof(text), SECTOR, err) == -1 ||
	    vm_layout_take(&v->file, SECTOR, len * SECTOR, "descriptor", err) ==
		-1)
		return -1;
	return vm_vmdk_text_check(&check, err);
}

static int
read_header(struct vmdk *v, uint64_t max_bytes, struct vm_error *err)
{
	unsigned char first[SECTOR], h[SECTOR];

	if (vm_layout_read(&v->file, first, SECTOR, 0, err) == -1 ||
	    check_kind(first, err) == -1 ||
	    vm_layout_take(&v->file, 0, SECTOR, "header", err) == -1)
		return -1;
	memcpy(h, first, SECTOR);
	if (vm_le64(h, AT_DIRECTORY) == AT_END && read_footer(v, h, err) == -1)
		return -1;
	v->flags = vm_le32(h, AT_FLAGS);
	v->directory = vm_le64(h, AT_DIRECTORY);
	v->copy = v->flags & FLAG_COPY ? vm_le64(h, AT_COPY) : 0;
	if (check_sizes(v, h, max_bytes, err) == -1)
		return -1;
	return check_text(v, first, err);
}

/* --- tables -------------------------------------------------------------- */

/* How many bytes a packed grain takes, according to the marker before it. */
static int
read_marker(struct vmdk *v, uint64_t offset, uint64_t first, uint64_t *len,
    struct vm_error *err)
{
	unsigned char marker[MARKER];
	uint64_t packed;

	if (vm_layout_read(&v->file, marker, MARKER, offset, err) == -1)
		return -1;
	packed = vm_le32(marker, 8);
	if (vm_le64(marker, 0) != first || packed == 0 ||
	    packed > 2 * bytes_of(v->grain) - MARKER)
		return vm_layout_bad(&v->file, "a wrong marker before a grain",
		    offset, err);
	*len = MARKER + packed;
	if (offset + *len > v->file.file_size)
		return vm_layout_bad(&v->file, "a grain outside the file",
		    offset, err);
	return 0;
}

/* first: the sector of the disk that the grain begins with. */
static int
check_grain(struct vmdk *v, uint32_t entry, uint64_t first,
    struct vm_error *err)
{
	uint64_t offset = bytes_of(entry), rest, len = bytes_of(v->grain);

	if (entry == 0 || (entry == ENTRY_ZERO && v->flags & FLAG_ZERO))
		return 0;
	if (first >= v->sectors)
		return vm_layout_bad(&v->file, "a grain behind the disk's end",
		    offset, err);
	rest = bytes_of(v->sectors - first);
	v->allocated += len;
	if (v->flags & FLAG_PACKED) {
		if (read_marker(v, offset, first, &len, err) == -1)
			return -1;
	} else if (offset >= v->file.file_size ||
	    (rest < len ? rest : len) > v->file.file_size - offset)
		return vm_layout_bad(&v->file, "a grain outside the file",
		    offset, err);
	return vm_layout_take_data(&v->file, offset, len, err);
}

static int
read_table(struct vmdk *v, uint32_t entry, unsigned char *table,
    struct vm_error *err)
{
	memset(table, 0, TABLE);
	if (entry == 0)
		return 0;
	if (vm_layout_take(&v->file, bytes_of(entry), TABLE, "grain table",
		err) == -1)
		return -1;
	return vm_layout_read(&v->file, table, TABLE, bytes_of(entry), err);
}

static int
check_table(struct vmdk *v, uint64_t number, uint32_t entry, uint32_t copy,
    struct vm_error *err)
{
	uint64_t first = number * TABLE_ENTRIES * v->grain;

	if (entry == 0 && copy == 0)
		return 0;
	if (vm_proc_check_stop(err) == -1 ||
	    read_table(v, entry, v->table, err) == -1)
		return -1;
	if (v->copy != 0) {
		if (read_table(v, copy, v->copied, err) == -1)
			return -1;
		if (memcmp(v->table, v->copied, TABLE) != 0)
			return vm_layout_bad(&v->file,
			    "a table that differs from its copy",
			    bytes_of(copy), err);
	}
	for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
		if (check_grain(v, vm_le32(v->table, (size_t)i * 4),
			first + i * v->grain, err) == -1)
			return -1;
	return 0;
}

static int
check_directory(struct vmdk *v, struct vm_error *err)
{
	unsigned char entries[4096], copies[4096] = { 0 };
	uint64_t at = bytes_of(v->directory), copy_at = bytes_of(v->copy);
	uint64_t len = v->tables * 4;

	if (vm_layout_take(&v->file, at, len, "grain directory", err) == -1 ||
	    (v->copy != 0 &&
		vm_layout_take(&v->file, copy_at, len,
		    "copy of the grain directory", err) == -1))
		return -1;
	for (uint64_t done = 0, part; done < len; done += part) {
		part = len - done < sizeof(entries) ? len - done :
						      sizeof(entries);
		if (vm_layout_read(&v->file, entries, part, at + done, err) ==
			-1 ||
		    (v->copy != 0 &&
			vm_layout_read(&v->file, copies, part, copy_at + done,
			    err) == -1))
			return -1;
		for (uint64_t i = 0; i < part; i += 4)
			if (check_table(v, (done + i) / 4, vm_le32(entries, i),
				vm_le32(copies, i), err) == -1)
				return -1;
	}
	return 0;
}

int
vm_vmdk_check(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err)
{
	struct vmdk v = {
		.file = { .fd = fd,
		    .format = "VMDK",
		    .file_size = file_size,
		    .unit_bits = SECTOR_BITS },
	};
	int result;

	if (vm_layout_init(&v.file, err) == -1)
		return -1;
	result = read_header(&v, max_virtual_bytes, err);
	if (result == 0)
		result = check_directory(&v, err);
	vm_layout_release(&v.file);
	if (result == -1)
		return -1;
	check->virtual_size = bytes_of(v.sectors);
	check->allocated = v.allocated;
	return 0;
}
