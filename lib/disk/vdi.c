#include "lib/disk/vdi.h"

#include "lib/base/proc.h"
#include "lib/disk/layout.h"

#define HEADER 512
#define VERSION 0x00010001u
#define BLOCK_BITS 20
#define BLOCK ((uint64_t)1 << BLOCK_BITS)
#define TYPE_DYNAMIC 1u
#define TYPE_STATIC 2u
#define BLOCK_FREE 0xfffffffeu /* and the one above it: no data */

/* Places in the header. */
#define AT_VERSION 68
#define AT_TYPE 76
#define AT_MAP 340
#define AT_DATA 344
#define AT_SECTOR 360
#define AT_SIZE 368
#define AT_BLOCK 376
#define AT_EXTRA 380
#define AT_BLOCKS 384
#define AT_LINK 424 /* uuids: the previous image, the parent */
#define UUIDS 32

struct vdi {
	struct vm_layout file;	/* only read */
	struct vm_layout space; /* from `data` on, which is no whole MiB */
	uint64_t virtual_size;
	uint64_t map, blocks, data;
	uint64_t allocated;
};

static int
check_kind(const unsigned char *h, struct vm_error *err)
{
	uint32_t type = vm_le32(h, AT_TYPE);

	if (vm_le32(h, AT_VERSION) != VERSION)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VDI: version %u.%u; only 1.1 is accepted",
		    vm_le32(h, AT_VERSION) >> 16,
		    vm_le32(h, AT_VERSION) & 0xffff);
	if (!vm_is_zero(h + AT_LINK, UUIDS))
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "VDI: it needs a parent image, which is never opened");
	if (type != TYPE_DYNAMIC && type != TYPE_STATIC)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VDI: type %u is neither dynamic nor static", type);
	if (vm_le32(h, AT_SECTOR) != VM_SECTOR ||
	    vm_le32(h, AT_BLOCK) != BLOCK || vm_le32(h, AT_EXTRA) != 0)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "VDI: sectors of %u and blocks of %u+%u bytes",
		    vm_le32(h, AT_SECTOR), vm_le32(h, AT_BLOCK),
		    vm_le32(h, AT_EXTRA));
	return 0;
}

static int
check_places(struct vdi *v, struct vm_error *err)
{
	if (v->blocks != (v->virtual_size + BLOCK - 1) / BLOCK)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "VDI: a map of %llu blocks for %llu bytes",
		    (unsigned long long)v->blocks,
		    (unsigned long long)v->virtual_size);
	if (v->map % VM_SECTOR != 0 || v->map < HEADER)
		return vm_layout_bad(&v->file, "misplaced block map", v->map,
		    err);
	if (v->data % VM_SECTOR != 0 || v->data < v->map + v->blocks * 4)
		return vm_layout_bad(&v->file, "misplaced blocks", v->data,
		    err);
	if (v->map + v->blocks * 4 > v->file.file_size)
		return vm_layout_bad(&v->file, "map outside the file", v->map,
		    err);
	return 0;
}

static int
parse_header(struct vdi *v, uint64_t max_bytes, struct vm_error *err)
{
	unsigned char h[HEADER];

	if (vm_layout_read(&v->file, h, sizeof(h), 0, err) == -1 ||
	    check_kind(h, err) == -1)
		return -1;
	v->virtual_size = vm_le64(h, AT_SIZE);
	v->map = vm_le32(h, AT_MAP);
	v->data = vm_le32(h, AT_DATA);
	v->blocks = vm_le32(h, AT_BLOCKS);
	if (vm_layout_check_size(&v->file, v->virtual_size, max_bytes, err) ==
	    -1)
		return -1;
	return check_places(v, err);
}

static int
check_map(struct vdi *v, struct vm_error *err)
{
	unsigned char piece[4096];

	for (uint64_t at = 0, part; at < v->blocks * 4; at += part) {
		part = v->blocks * 4 - at;
		if (part > sizeof(piece))
			part = sizeof(piece);
		if (vm_layout_read(&v->file, piece, part, v->map + at, err) ==
			-1 ||
		    vm_proc_check_stop(err) == -1)
			return -1;
		for (uint64_t i = 0; i < part; i += 4) {
			uint32_t block = vm_le32(piece, i);

			if (block >= BLOCK_FREE)
				continue;
			v->allocated += BLOCK;
			if (vm_layout_take(&v->space, block * BLOCK, BLOCK,
				"block", err) == -1)
				return -1;
		}
	}
	return 0;
}

int
vm_vdi_check(int fd, uint64_t file_size, uint64_t max_virtual_bytes,
    struct vm_check *check, struct vm_error *err)
{
	struct vdi v = {
		.file = { .fd = fd, .format = "VDI", .file_size = file_size },
	};
	int result;

	if (parse_header(&v, max_virtual_bytes, err) == -1)
		return -1;
	v.space = v.file;
	v.space.file_size = file_size > v.data ? file_size - v.data : 0;
	v.space.unit_bits = BLOCK_BITS;
	if (vm_layout_init(&v.space, err) == -1)
		return -1;
	result = check_map(&v, err);
	vm_layout_release(&v.space);
	if (result == -1)
		return -1;
	check->virtual_size = v.virtual_size;
	check->allocated = v.allocated;
	return 0;
}
