#include "lib/disk/qcow2_header.h"

#include <stdbool.h>

#include "lib/base/fd.h"
#include "lib/disk/layout.h"

#define HEADER_V2 72
#define HEADER_V3 104
#define HEADER_COMPRESSION 112		 /* has a compression type */
#define L1_MAX ((uint64_t)4 << 20)	 /* entries, as in QEMU */
#define REFTABLE_MAX ((uint64_t)8 << 20) /* bytes, as in QEMU */

#define INCOMPAT_DIRTY 1u
#define INCOMPAT_CORRUPT 2u
#define INCOMPAT_DATA_FILE 4u
#define INCOMPAT_COMPRESSION 8u
#define INCOMPAT_EXTENDED_L2 16u
#define EXTENDED_L2_CLUSTER_MIN ((uint64_t)16 << 10)

#define EXT_END 0u
#define EXT_BACKING_FORMAT 0xe2792acau
#define EXT_BITMAPS 0x23852875u
#define EXT_ENCRYPTION 0x0537be77u
#define EXT_DATA_FILE 0x44415441u

/* The file as far as it is there. */
struct file {
	int fd;
	uint64_t size;
	unsigned allowed; /* VM_QCOW2_ALLOW_... */
};

void
vm_qcow2_packed(const struct vm_qcow2_header *q, uint64_t entry,
    uint64_t *begin, uint64_t *end)
{
	unsigned bits = 62 - (q->cluster_bits - 8);
	uint64_t sectors = ((entry & (VM_QCOW2_COMPRESSED - 1)) >> bits) + 1;

	*begin = entry & (((uint64_t)1 << bits) - 1);
	*end = (*begin & ~(uint64_t)511) + sectors * 512;
}

/* Read len bytes that must be there. */
static int
read_at(const struct file *file, void *data, size_t len, uint64_t offset,
    struct vm_error *err)
{
	size_t got;

	if (vm_fd_pread(file->fd, data, len, offset, &got, "qcow2", err) == -1)
		return -1;
	if (got != len)
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "qcow2: the file ends at %llu, inside a table",
		    (unsigned long long)file->size);
	return 0;
}

static int
check_incompatible(uint64_t bits, unsigned allowed, struct vm_error *err)
{
	uint64_t known = INCOMPAT_COMPRESSION;

	if (allowed & VM_QCOW2_ALLOW_EXTENDED_L2)
		known |= INCOMPAT_EXTENDED_L2;
	if (allowed & VM_QCOW2_ALLOW_DIRTY)
		known |= INCOMPAT_DIRTY;
	bits &= ~known;
	if (bits & INCOMPAT_DATA_FILE)
		return vm_error_set(err, VM_E_DATA, "data_file",
		    "qcow2: its data is in another file");
	if (bits & INCOMPAT_CORRUPT)
		return vm_error_set(err, VM_E_DATA, "corrupt",
		    "qcow2: marked corrupt by the program that wrote it");
	if (bits & INCOMPAT_DIRTY)
		return vm_error_set(err, VM_E_DATA, "dirty",
		    "qcow2: marked dirty: not closed by its last writer");
	if (bits != 0)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "qcow2: incompatible features %#llx are not accepted",
		    (unsigned long long)bits);
	return 0;
}

static int
parse_v3(struct vm_qcow2_header *q, const unsigned char *h, unsigned allowed,
    struct vm_error *err)
{
	uint64_t features = vm_be64(h, 72);

	if (check_incompatible(features, allowed, err) == -1)
		return -1;
	q->is_dirty = (features & INCOMPAT_DIRTY) != 0;
	if (features & INCOMPAT_EXTENDED_L2) {
		q->entry_bytes = 16;
		if (q->cluster < EXTENDED_L2_CLUSTER_MIN)
			return vm_error_set(err, VM_E_DATA, "bad_table",
			    "qcow2: subclusters in clusters of %llu bytes",
			    (unsigned long long)q->cluster);
	}
	if (vm_be32(h, 96) > 6)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: refcount order %u is above 6", vm_be32(h, 96));
	q->refcount_bits = 1u << vm_be32(h, 96);
	q->header_bytes = vm_be32(h, 100);
	if (q->header_bytes < HEADER_V3 || q->header_bytes % 8 != 0 ||
	    q->header_bytes > q->cluster)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: a header of %u bytes", q->header_bytes);
	if (!(features & INCOMPAT_COMPRESSION))
		return 0;
	q->zstd = h[104] == 1;
	if (q->header_bytes < HEADER_COMPRESSION || h[104] > 1)
		return vm_error_set(err, VM_E_DATA, "feature",
		    "qcow2: unknown compression type");
	return 0;
}

/* What names another file, or hides the contents. */
static int
check_strangers(const unsigned char *h, unsigned allowed, struct vm_error *err)
{
	if (!(allowed & VM_QCOW2_ALLOW_BACKING) &&
	    (vm_be64(h, 8) != 0 || vm_be32(h, 16) != 0))
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "qcow2: it needs a backing file, which is never opened");
	if (vm_be32(h, 32) != 0)
		return vm_error_set(err, VM_E_DATA, "encrypted",
		    "qcow2: encrypted");
	if (!(allowed & VM_QCOW2_ALLOW_SNAPSHOTS) &&
	    (vm_be32(h, 60) != 0 || vm_be64(h, 64) != 0))
		return vm_error_set(err, VM_E_DATA, "snapshots",
		    "qcow2: it holds internal snapshots");
	return 0;
}

static int
check_size(const struct vm_qcow2_header *q, uint64_t max_bytes,
    struct vm_error *err)
{
	if (q->virtual_size > max_bytes)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "qcow2: virtual size %llu is above the limit of %llu bytes",
		    (unsigned long long)q->virtual_size,
		    (unsigned long long)max_bytes);
	if (q->virtual_size == 0 || q->virtual_size % 512 != 0)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "qcow2: virtual size %llu is not one of a disk",
		    (unsigned long long)q->virtual_size);
	return 0;
}

static int
check_tables(struct vm_qcow2_header *q, struct vm_error *err)
{
	uint64_t per_l1 = q->cluster * (q->cluster / q->entry_bytes);

	q->l1_used = (q->virtual_size + per_l1 - 1) / per_l1;
	if (q->l1_entries > L1_MAX || q->l1_entries < q->l1_used)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: an L1 table of %llu entries for %llu bytes",
		    (unsigned long long)q->l1_entries,
		    (unsigned long long)q->virtual_size);
	if (q->reftable_bytes == 0 || q->reftable_bytes > REFTABLE_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: a refcount table of %llu bytes",
		    (unsigned long long)q->reftable_bytes);
	return 0;
}

static int
parse_header(const struct file *file, struct vm_qcow2_header *q,
    uint64_t max_bytes, struct vm_error *err)
{
	unsigned char h[HEADER_COMPRESSION] = { 0 };
	size_t want = file->size < sizeof(h) ? HEADER_V2 : sizeof(h);

	if (read_at(file, h, want, 0, err) == -1)
		return -1;
	q->version = vm_be32(h, 4);
	if (vm_be32(h, 0) != 0x514649fbu || q->version < 2 || q->version > 3)
		return vm_error_set(err, VM_E_DATA, "format",
		    "qcow version %u is not accepted", q->version);
	q->cluster_bits = vm_be32(h, 20);
	if (q->cluster_bits < 9 || q->cluster_bits > 21)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: cluster_bits is %u", q->cluster_bits);
	q->cluster = (uint64_t)1 << q->cluster_bits;
	q->virtual_size = vm_be64(h, 24);
	q->l1_entries = vm_be32(h, 36);
	q->l1_offset = vm_be64(h, 40);
	q->reftable_offset = vm_be64(h, 48);
	q->reftable_bytes = (uint64_t)vm_be32(h, 56) << q->cluster_bits;
	q->snapshots = vm_be32(h, 60);
	q->snapshots_offset = vm_be64(h, 64);
	q->header_bytes = HEADER_V2;
	q->entry_bytes = 8;
	q->refcount_bits = 16;
	if (check_strangers(h, file->allowed, err) == -1 ||
	    (q->version == 3 && parse_v3(q, h, file->allowed, err) == -1) ||
	    check_size(q, max_bytes, err) == -1)
		return -1;
	return check_tables(q, err);
}

static int
check_extension(uint32_t type, unsigned allowed, struct vm_error *err)
{
	switch (type) {
	case EXT_BACKING_FORMAT:
		if (allowed & VM_QCOW2_ALLOW_BACKING)
			return 0;
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "qcow2: it names the format of a backing file");
	case EXT_DATA_FILE:
		return vm_error_set(err, VM_E_DATA, "data_file",
		    "qcow2: it names another file for its data");
	case EXT_ENCRYPTION:
		return vm_error_set(err, VM_E_DATA, "encrypted",
		    "qcow2: encrypted");
	case EXT_BITMAPS:
		return vm_error_set(err, VM_E_DATA, "feature",
		    "qcow2: it holds dirty bitmaps");
	default:
		return 0;
	}
}

/* The extensions between the header and the end of the first cluster. */
static int
check_extensions(const struct file *file, const struct vm_qcow2_header *q,
    struct vm_error *err)
{
	uint64_t at = q->header_bytes;
	unsigned char e[8];

	while (at + sizeof(e) <= q->cluster && at + sizeof(e) <= file->size) {
		uint64_t len;

		if (read_at(file, e, sizeof(e), at, err) == -1)
			return -1;
		if (vm_be32(e, 0) == EXT_END)
			return 0;
		if (check_extension(vm_be32(e, 0), file->allowed, err) == -1)
			return -1;
		len = ((uint64_t)vm_be32(e, 4) + 7) & ~(uint64_t)7;
		at += sizeof(e);
		if (len > q->cluster - at)
			return vm_error_set(err, VM_E_DATA, "bad_table",
			    "qcow2: header extension too long at offset %llu",
			    (unsigned long long)at);
		at += len;
	}
	return 0;
}

int
vm_qcow2_header_read(int fd, uint64_t size, uint64_t max_virtual_bytes,
    unsigned allowed, struct vm_qcow2_header *header, struct vm_error *err)
{
	const struct file file = { .fd = fd, .size = size, .allowed = allowed };
	struct vm_qcow2_header q = { 0 };

	if (parse_header(&file, &q, max_virtual_bytes, err) == -1 ||
	    check_extensions(&file, &q, err) == -1)
		return -1;
	*header = q;
	return 0;
}
