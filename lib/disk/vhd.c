#include "lib/disk/vhd.h"

#include "lib/base/proc.h"
#include "lib/disk/layout.h"

#define HEADER ((size_t)1024)
#define SECTOR_BITS 9
#define VERSION 0x00010000u
#define TYPE_FIXED 2u
#define TYPE_DYNAMIC 3u
#define TYPE_DIFFERENCING 4u
#define VIRTUAL_MAX (0xff000000ull << SECTOR_BITS) /* 2040 GiB */
#define BLOCK_MIN ((uint64_t)4 << 10)
#define BLOCK_MAX ((uint64_t)256 << 20)
#define ENTRIES_MAX ((uint64_t)1 << 24) /* of a table that QEMU loads */
#define BLOCK_NONE 0xffffffffu

/* Places in the footer, and in the header that follows its copy. */
#define AT_VERSION 12
#define AT_HEADER 16
#define AT_SIZE 48
#define AT_TYPE 60
#define AT_CHECKSUM 64
#define AT_SAVED 84
#define HEADER_TABLE 16
#define HEADER_VERSION 24
#define HEADER_ENTRIES 28
#define HEADER_BLOCK 32
#define HEADER_CHECKSUM 36
#define HEADER_PARENT 40 /* to 768: whatever tells of one */
#define HEADER_PARENT_END 768

struct vhd {
	struct vm_layout file; /* in sectors */
	uint64_t virtual_size;
	uint64_t table, entries;
	uint64_t block, bitmap; /* bytes; the latter in front of the former */
	uint64_t allocated;
};

/* The complement of the sum of all bytes but the sum's own. */
static bool
has_checksum(const unsigned char *data, size_t len, size_t at)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i >= at && i < at + 4 ? 0 : data[i];
	return vm_be32(data, at) == ~sum;
}

bool
vm_vhd_is_footer(const void *footer)
{
	return memcmp(footer, "conectix", 8) == 0;
}

static int
check_footer(const unsigned char *footer, uint32_t want_type,
    struct vm_error *err)
{
	uint32_t type = vm_be32(footer, AT_TYPE);

	if (!has_checksum(footer, VM_VHD_FOOTER, AT_CHECKSUM))
		return vm_error_set(err, VM_E_DATA, "checksum",
		    "VHD: the footer is damaged");
	if (vm_be32(footer, AT_VERSION) != VERSION)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VHD: version %#x is not accepted",
		    vm_be32(footer, AT_VERSION));
	if (type == TYPE_DIFFERENCING)
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "VHD: it needs a parent disk, which is never opened");
	if (type != want_type)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VHD: of type %u where %u is due", type, want_type);
	if (footer[AT_SAVED] != 0)
		return vm_error_set(err, VM_E_DATA, "dirty",
		    "VHD: it belongs to a VM that was suspended");
	return 0;
}

int
vm_vhd_check_footer(const void *footer, uint64_t data_bytes,
    struct vm_error *err)
{
	uint64_t size = vm_be64(footer, AT_SIZE);

	if (check_footer(footer, TYPE_FIXED, err) == -1)
		return -1;
	if (size != data_bytes)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VHD: a fixed disk of %llu bytes in %llu",
		    (unsigned long long)size, (unsigned long long)data_bytes);
	return 0;
}

static int
parse_header(struct vhd *v, const unsigned char *h, struct vm_error *err)
{
	if (memcmp(h, "cxsparse", 8) != 0 ||
	    !has_checksum(h, HEADER, HEADER_CHECKSUM))
		return vm_error_set(err, VM_E_DATA, "checksum",
		    "VHD: the header of the dynamic disk is damaged");
	if (vm_be32(h, HEADER_VERSION) != VERSION)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VHD: a header of version %#x is not accepted",
		    vm_be32(h, HEADER_VERSION));
	if (!vm_is_zero(h + HEADER_PARENT, HEADER_PARENT_END - HEADER_PARENT))
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "VHD: it names a parent disk, which is never opened");
	v->table = vm_be64(h, HEADER_TABLE);
	v->entries = vm_be32(h, HEADER_ENTRIES);
	v->block = vm_be32(h, HEADER_BLOCK);
	if (v->block < BLOCK_MIN || v->block > BLOCK_MAX ||
	    (v->block & (v->block - 1)) != 0)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VHD: blocks of %llu bytes", (unsigned long long)v->block);
	v->bitmap = (v->block / VM_SECTOR / 8 + VM_SECTOR - 1) &
	    ~(VM_SECTOR - 1);
	if (v->entries > ENTRIES_MAX || v->entries * v->block < v->virtual_size)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VHD: a table of %llu blocks for %llu bytes",
		    (unsigned long long)v->entries,
		    (unsigned long long)v->virtual_size);
	return 0;
}

/* Everything but the blocks; all of it has an owner afterwards. */
static int
read_headers(struct vhd *v, uint64_t max_bytes, struct vm_error *err)
{
	unsigned char footer[VM_VHD_FOOTER], copy[VM_VHD_FOOTER], h[HEADER];
	uint64_t end = v->file.file_size - VM_VHD_FOOTER, at;

	if (vm_layout_read(&v->file, copy, sizeof(copy), 0, err) == -1 ||
	    vm_layout_read(&v->file, footer, sizeof(footer), end, err) == -1 ||
	    check_footer(copy, TYPE_DYNAMIC, err) == -1)
		return -1;
	if (memcmp(footer, copy, sizeof(copy)) != 0)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VHD: the footer at the end is not that at the beginning");
	v->virtual_size = vm_be64(copy, AT_SIZE);
	at = vm_be64(copy, AT_HEADER);
	if (vm_layout_check_size(&v->file, v->virtual_size,
		max_bytes < VIRTUAL_MAX ? max_bytes : VIRTUAL_MAX, err) == -1 ||
	    vm_layout_take(&v->file, 0, VM_VHD_FOOTER, "footer", err) == -1 ||
	    vm_layout_take(&v->file, end, VM_VHD_FOOTER, "footer", err) == -1 ||
	    vm_layout_take(&v->file, at, HEADER, "header", err) == -1 ||
	    vm_layout_read(&v->file, h, sizeof(h), at, err) == -1 ||
	    parse_header(v, h, err) == -1)
		return -1;
	return vm_layout_take(&v->file, v->table, v->entries * 4, "table", err);
}

static int
check_table(struct vhd *v, struct vm_error *err)
{
	unsigned char piece[4096];
	uint64_t bytes = v->entries * 4;

	for (uint64_t at = 0, part; at < bytes; at += part) {
		part = bytes - at < sizeof(piece) ? bytes - at : sizeof(piece);
		if (vm_layout_read(&v->file, piece, part, v->table + at, err) ==
			-1 ||
		    vm_proc_check_stop(err) == -1)
			return -1;
		for (uint64_t i = 0; i < part; i += 4) {
			uint64_t sector = vm_be32(piece, i);

			if (sector == BLOCK_NONE)
				continue;
			v->allocated += v->block;
			if (vm_layout_take(&v->file, sector << SECTOR_BITS,
				v->bitmap + v->block, "block", err) == -1)
				return -1;
		}
	}
	return 0;
}

int
vm_vhd_check(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err)
{
	struct vhd v = {
		.file = { .fd = fd,
		    .format = "VHD",
		    .file_size = file_size,
		    .unit_bits = SECTOR_BITS },
	};
	int result;

	if (file_size < 2 * VM_VHD_FOOTER || file_size % VM_SECTOR != 0)
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "VHD: it does not end with a footer");
	if (vm_layout_init(&v.file, err) == -1)
		return -1;
	result = read_headers(&v, max_virtual_bytes, err);
	if (result == 0)
		result = check_table(&v, err);
	vm_layout_release(&v.file);
	if (result == -1)
		return -1;
	check->virtual_size = v.virtual_size;
	check->allocated = v.allocated;
	return 0;
}
