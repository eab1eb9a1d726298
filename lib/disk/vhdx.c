#include "lib/disk/vhdx.h"

#include <stdlib.h>

#include "lib/base/proc.h"
#include "lib/disk/layout.h"

#define MIB_BITS 20
#define MIB ((uint64_t)1 << MIB_BITS)
#define HEADER ((size_t)4 << 10)
#define TABLE ((size_t)64 << 10)
#define AT_HEADERS TABLE /* two, then two region tables, 64 KiB apart */
#define AT_REGIONS (3 * TABLE)
#define GUID 16
#define ENTRY 32 /* bytes, of both tables */
#define ENTRIES_MAX 2047u
#define VIRTUAL_MAX ((uint64_t)64 << 40)
#define BAT_MAX (64 * MIB)	  /* QEMU loads all of it */
#define CHUNK ((uint64_t)1 << 32) /* bytes of disk, then a bitmap's entry */

#define REGION_REQUIRED 1u
#define ITEM_REQUIRED 4u
#define HAS_PARENT 2u

#define STATE 7u
#define STATE_UNMAPPED 3u /* this one and those below it are zeros */
#define STATE_FULL 6u
#define ENTRY_RESERVED 0xffff8ull

/* What is known by its GUID (as it lies in the file). */
enum item { FILE_PARAMETERS, DISK_SIZE, LOGICAL, PHYSICAL, PAGE_83, ITEMS };

static const struct {
	const char *guid;
	uint32_t len; /* bytes */
} items[ITEMS] = {
	{ "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b",
	    8 },
	{ "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8",
	    8 },
	{ "\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f",
	    4 },
	{ "\xc7\x48\xa3\xcd\x5d\x44\x71\x44\x9c\xc9\xe9\x88\x52\x51\xc5\x56",
	    4 },
	{ "\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46",
	    16 },
};

static const char parent_guid[] =
    "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c";
static const char metadata_guid[] =
    "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
static const char bat_guid[] =
    "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08";

struct region {
	uint64_t offset, len;
};

struct vhdx {
	struct vm_layout file; /* in units of 1 MiB */
	struct region bat, metadata;
	uint64_t virtual_size, block;
	uint64_t allocated;
	unsigned char table[2][TABLE];
};

/* CRC-32C (RFC 3720, appendix B.4) with the field at 4 taken as zero. */
static uint32_t
checksum(const unsigned char *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= i >= 4 && i < 8 ? 0 : data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static bool
is_whole(const unsigned char *data, size_t len, const char *signature)
{
	return memcmp(data, signature, 4) == 0 &&
	    vm_le32(data, 4) == checksum(data, len);
}

/* --- headers ------------------------------------------------------------- */

static int
check_header(struct vhdx *x, const unsigned char *h, struct vm_error *err)
{
	uint64_t log = vm_le64(h, 72), log_len = vm_le32(h, 68);

	if (vm_le16(h, 66) != 1 || vm_le16(h, 64) != 0)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VHDX: version %u with a log of version %u", vm_le16(h, 66),
		    vm_le16(h, 64));
	if (!vm_is_zero(h + 48, GUID))
		return vm_error_set(err, VM_E_DATA, "dirty",
		    "VHDX: not closed by its last writer: it has a log");
	if (log_len % MIB != 0)
		return vm_layout_bad(&x->file, "a log of no whole MiB", log,
		    err);
	return vm_layout_take(&x->file, log, log_len, "log", err);
}

/* The newer one of the two counts; one of them may be damaged. */
static int
read_headers(struct vhdx *x, struct vm_error *err)
{
	unsigned char h[2][HEADER];
	bool good[2];
	size_t newer;

	for (size_t i = 0; i < 2; i++) {
		if (vm_layout_read(&x->file, h[i], HEADER,
			AT_HEADERS + i * TABLE, err) == -1)
			return -1;
		good[i] = is_whole(h[i], HEADER, "head");
	}
	if (!good[0] && !good[1])
		return vm_error_set(err, VM_E_DATA, "checksum",
		    "VHDX: both headers are damaged");
	newer = !good[0] || (good[1] && vm_le64(h[1], 8) > vm_le64(h[0], 8));
	if (good[0] && good[1] && vm_le64(h[0], 8) == vm_le64(h[1], 8) &&
	    memcmp(h[0], h[1], HEADER) != 0)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VHDX: two headers that differ have the same number");
	return check_header(x, h[newer], err);
}

/* --- regions ------------------------------------------------------------- */

static int
add_region(struct vhdx *x, const unsigned char *entry, struct vm_error *err)
{
	const struct region found = { vm_le64(entry, 16), vm_le32(entry, 24) };
	struct region *region = NULL;

	if (memcmp(entry, bat_guid, GUID) == 0)
		region = &x->bat;
	else if (memcmp(entry, metadata_guid, GUID) == 0)
		region = &x->metadata;
	else if (vm_le32(entry, 28) & REGION_REQUIRED)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VHDX: an unknown region that must be known");
	if (found.len == 0 || found.len % MIB != 0 ||
	    (region != NULL && region->len != 0))
		return vm_layout_bad(&x->file,
		    "a region of a wrong size, "
		    "or there twice",
		    found.offset, err);
	if (region != NULL)
		*region = found;
	return vm_layout_take(&x->file, found.offset, found.len, "region", err);
}

static int
read_regions(struct vhdx *x, struct vm_error *err)
{
	const unsigned char *table = x->table[0];
	uint32_t count;

	for (size_t i = 0; i < 2; i++) {
		if (vm_layout_read(&x->file, x->table[i], TABLE,
			AT_REGIONS + i * TABLE, err) == -1)
			return -1;
		if (!is_whole(x->table[i], TABLE, "regi"))
			return vm_error_set(err, VM_E_DATA, "checksum",
			    "VHDX: a region table is damaged");
	}
	count = vm_le32(table, 8);
	if (memcmp(table, x->table[1], TABLE) != 0 || count > ENTRIES_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VHDX: %u regions, or other ones in the table's copy",
		    count);
	for (uint32_t i = 0; i < count; i++)
		if (add_region(x, table + 16 + (size_t)i * ENTRY, err) == -1)
			return -1;
	if (x->bat.len == 0 || x->metadata.len == 0)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VHDX: no metadata, or no table of blocks");
	return 0;
}

/* --- metadata ------------------------------------------------------------ */

static int
read_item(struct vhdx *x, const unsigned char *entry, unsigned char *values[],
    struct vm_error *err)
{
	uint64_t offset = vm_le32(entry, 16), len = vm_le32(entry, 20);
	size_t i = 0;

	if (memcmp(entry, parent_guid, GUID) == 0)
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "VHDX: it needs a parent disk, which is never opened");
	while (i < ITEMS && memcmp(entry, items[i].guid, GUID) != 0)
		i++;
	if (i == ITEMS && vm_le32(entry, 24) & ITEM_REQUIRED)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VHDX: unknown metadata that must be known");
	if (i == ITEMS)
		return 0;
	if (values[i] != NULL || len != items[i].len || offset < TABLE ||
	    offset + len > x->metadata.len)
		return vm_layout_bad(&x->file, "misplaced metadata", offset,
		    err);
	values[i] = x->table[1] + 16 * i;
	return vm_layout_read(&x->file, values[i], len,
	    x->metadata.offset + offset, err);
}

static int
check_values(struct vhdx *x, unsigned char *const values[], uint64_t max_bytes,
    struct vm_error *err)
{
	uint32_t logical = vm_le32(values[LOGICAL], 0);

	if (vm_le32(values[FILE_PARAMETERS], 4) & HAS_PARENT)
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "VHDX: it needs a parent disk, which is never opened");
	if (logical != VM_SECTOR)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VHDX: logical sectors of %u bytes; only 512 are accepted",
		    logical);
	x->block = vm_le32(values[FILE_PARAMETERS], 0);
	if (x->block < MIB || x->block > 256 * MIB ||
	    (x->block & (x->block - 1)) != 0)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VHDX: blocks of %llu bytes", (unsigned long long)x->block);
	x->virtual_size = vm_le64(values[DISK_SIZE], 0);
	return vm_layout_check_size(&x->file, x->virtual_size,
	    max_bytes < VIRTUAL_MAX ? max_bytes : VIRTUAL_MAX, err);
}

static int
read_metadata(struct vhdx *x, uint64_t max_bytes, struct vm_error *err)
{
	unsigned char *values[ITEMS] = { NULL };
	const unsigned char *table = x->table[0];
	uint32_t count;

	if (vm_layout_read(&x->file, x->table[0], TABLE, x->metadata.offset,
		err) == -1)
		return -1;
	count = vm_le16(table, 10);
	if (memcmp(table, "metadata", 8) != 0 || count > ENTRIES_MAX)
		return vm_layout_bad(&x->file, "no table of metadata",
		    x->metadata.offset, err);
	for (uint32_t i = 0; i < count; i++)
		if (read_item(x, table + ENTRY + (size_t)i * ENTRY, values,
			err) == -1)
			return -1;
	for (size_t i = 0; i < ITEMS; i++)
		if (values[i] == NULL)
			return vm_layout_bad(&x->file, "incomplete metadata",
			    x->metadata.offset, err);
	return check_values(x, values, max_bytes, err);
}

/* --- blocks -------------------------------------------------------------- */

static int
check_block(struct vhdx *x, uint64_t entry, uint64_t number,
    struct vm_error *err)
{
	uint64_t offset = entry & ~(MIB - 1);
	uint64_t rest = x->virtual_size - number * x->block;
	uint64_t len = rest < x->block ? rest : x->block;

	if ((entry & STATE) <= STATE_UNMAPPED)
		return 0;
	if ((entry & STATE) != STATE_FULL || entry & ENTRY_RESERVED)
		return vm_layout_bad(&x->file, "a block in an unknown state",
		    offset, err);
	x->allocated += len;
	if (offset >= x->file.file_size || len > x->file.file_size - offset)
		return vm_layout_bad(&x->file, "a block outside the file",
		    offset, err);
	return vm_layout_take_data(&x->file, offset, x->block, err);
}

/* After the entries of each CHUNK comes one for a bitmap, unused here. */
static int
check_bat(struct vhdx *x, struct vm_error *err)
{
	uint64_t ratio = CHUNK / x->block, number = 0;
	uint64_t blocks = (x->virtual_size + x->block - 1) / x->block;
	uint64_t bytes = (blocks + (blocks - 1) / ratio) * 8;

	if (bytes > x->bat.len || x->bat.len > BAT_MAX)
		return vm_layout_bad(&x->file,
		    "too small or too large a table of blocks", x->bat.offset,
		    err);
	for (uint64_t at = 0, part; at < bytes; at += part) {
		part = bytes - at < TABLE ? bytes - at : TABLE;
		if (vm_layout_read(&x->file, x->table[0], part,
			x->bat.offset + at, err) == -1 ||
		    vm_proc_check_stop(err) == -1)
			return -1;
		for (uint64_t i = 0; i < part; i += 8) {
			uint64_t entry = vm_le64(x->table[0], i);
			bool bitmap = ((at + i) / 8 + 1) % (ratio + 1) == 0;

			if (bitmap && (entry & STATE) != 0)
				return vm_layout_bad(&x->file,
				    "a bitmap of sectors", at + i, err);
			if (!bitmap &&
			    check_block(x, entry, number++, err) == -1)
				return -1;
		}
	}
	return 0;
}

static int
check_all(struct vhdx *x, uint64_t max_bytes, struct vm_error *err)
{
	if (vm_layout_take(&x->file, 0, MIB, "header", err) == -1 ||
	    read_headers(x, err) == -1 || read_regions(x, err) == -1 ||
	    read_metadata(x, max_bytes, err) == -1)
		return -1;
	return check_bat(x, err);
}

int
vm_vhdx_check(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err)
{
	struct vhdx *x VM_CLEAN_FREE = calloc(1, sizeof(*x));
	int result;

	if (x == NULL)
		return vm_error_nomem(err);
	x->file = (struct vm_layout){ .fd = fd,
		.format = "VHDX",
		.file_size = file_size,
		.unit_bits = MIB_BITS };
	if (vm_layout_init(&x->file, err) == -1)
		return -1;
	result = check_all(x, max_virtual_bytes, err);
	vm_layout_release(&x->file);
	if (result == -1)
		return -1;
	check->virtual_size = x->virtual_size;
	check->allocated = x->allocated;
	return 0;
}
