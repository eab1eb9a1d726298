#include "lib/disk/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"

#define MAGIC 0x514649fbU /* "QFI\xfb" */
#define EXTENSION_BACKING_FORMAT 0xe2792acaU
#define INCOMPATIBLE_EXTENDED_L2 16U
#define EXTENDED_L2_MIN_BITS 14
#define COMPATIBLE_LAZY_REFCOUNTS 1U
#define REFCOUNT_ORDER 4 /* 16 bits each */
#define REFCOUNT_BYTES 2
#define L1_MAX_BYTES ((uint64_t)32 << 20)
#define BACKING_NAME_MAX 255

/* The fixed part of the header, version 3; all numbers are big-endian. */
struct header {
	uint32_t magic;
	uint32_t version;
	uint64_t backing_offset;
	uint32_t backing_size;
	uint32_t cluster_bits;
	uint64_t size;
	uint32_t crypt_method;
	uint32_t l1_size;
	uint64_t l1_offset;
	uint64_t refcount_offset;
	uint32_t refcount_clusters;
	uint32_t snapshots;
	uint64_t snapshots_offset;
	uint64_t incompatible;
	uint64_t compatible;
	uint64_t autoclear;
	uint32_t refcount_order;
	uint32_t header_length;
	uint8_t compression_type;
	uint8_t padding[7];
} __attribute__((packed));

_Static_assert(sizeof(struct header) == 112, "qcow2 header length");

/* Where things are, counted in clusters. */
struct layout {
	uint64_t cluster_size;
	uint64_t l1_entries;
	uint64_t l1_clusters;
	uint64_t table_clusters; /* refcount table, begins at 1 */
	uint64_t blocks;	 /* refcount blocks, behind the table */
	uint64_t total;		 /* clusters in all */
};

static uint64_t
divide_up(uint64_t n, uint64_t by)
{
	return n / by + (n % by != 0);
}

/*
 * The refcount blocks count themselves and their table, so both are raised
 * until they cover everything; each round covers more, so it ends.
 */
static void
plan(const struct vm_qcow2_options *o, unsigned cluster_bits, struct layout *l)
{
	unsigned entry_bytes = o->extended_l2 ? 16 : 8;
	uint64_t per_block;

	l->cluster_size = (uint64_t)1 << cluster_bits;
	per_block = l->cluster_size / REFCOUNT_BYTES;
	/* an L2 table is a cluster; each entry stands for a cluster */
	l->l1_entries = divide_up(o->virtual_size,
	    l->cluster_size * (l->cluster_size / entry_bytes));
	l->l1_clusters = divide_up(l->l1_entries * 8, l->cluster_size);
	l->table_clusters = l->blocks = 1;
	for (;;) {
		l->total = 1 + l->table_clusters + l->blocks + l->l1_clusters;
		if (l->blocks < divide_up(l->total, per_block))
			l->blocks = divide_up(l->total, per_block);
		else if (l->table_clusters <
		    divide_up(l->blocks * 8, l->cluster_size))
			l->table_clusters++;
		else
			return;
	}
}

static bool
is_nameable(const struct vm_qcow2_options *o)
{
	if (o->backing_file == NULL)
		return o->backing_format == NULL;
	/* a colon would make QEMU read it as "protocol:..." */
	return o->backing_file[0] != '\0' && !strchr(o->backing_file, ':') &&
	    strlen(o->backing_file) <= BACKING_NAME_MAX &&
	    o->backing_format != NULL &&
	    (strcmp(o->backing_format, "raw") == 0 ||
		strcmp(o->backing_format, "qcow2") == 0);
}

static int
check(const struct vm_qcow2_options *o, unsigned cluster_bits,
    struct layout *layout, struct vm_error *err)
{
	unsigned least = o->extended_l2 ? EXTENDED_L2_MIN_BITS : 9;

	if (cluster_bits < least || cluster_bits > 21)
		return vm_error_set(err, VM_E_USAGE, "bad_overlay",
		    "cluster size of 2^%u bytes (2^%u to 2^21%s)", cluster_bits,
		    least, o->extended_l2 ? " with extended L2 entries" : "");
	if (o->virtual_size == 0 || o->virtual_size % 512 != 0 ||
	    o->virtual_size > VM_QCOW2_SIZE_MAX)
		return vm_error_set(err, VM_E_USAGE, "bad_size",
		    "a disk of %llu bytes (a multiple of 512, at most 1P)",
		    (unsigned long long)o->virtual_size);
	plan(o, cluster_bits, layout);
	if (layout->l1_entries * 8 > L1_MAX_BYTES)
		return vm_error_set(err, VM_E_USAGE, "bad_size",
		    "a disk of %llu bytes is too large for clusters of %llu",
		    (unsigned long long)o->virtual_size,
		    (unsigned long long)layout->cluster_size);
	if (!is_nameable(o))
		return vm_error_set(err, VM_E_USAGE, "bad_overlay",
		    "backing file \"%s\" (%s) cannot be named in an overlay",
		    o->backing_file != NULL ? o->backing_file : "",
		    o->backing_format != NULL ? o->backing_format : "");
	return 0;
}

/* An extension is a type, a length, and data padded to 8 bytes. */
static size_t
put_extension(unsigned char *to, uint32_t type, const void *data, size_t len)
{
	const uint32_t head[2] = { htobe32(type), htobe32((uint32_t)len) };

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), data, len);
	return sizeof(head) + ((len + 7) & ~(size_t)7);
}

static int
write_header(int fd, const struct vm_qcow2_options *o, unsigned cluster_bits,
    const struct layout *l, struct vm_error *err)
{
	unsigned char bytes[512] = { 0 };
	size_t used = sizeof(struct header) + 8; /* and the end extension */
	struct header header = {
		.magic = htobe32(MAGIC),
		.version = htobe32(3),
		.cluster_bits = htobe32(cluster_bits),
		.size = htobe64(o->virtual_size),
		.l1_size = htobe32((uint32_t)l->l1_entries),
		.l1_offset = htobe64((1 + l->table_clusters + l->blocks) *
		    l->cluster_size),
		.refcount_offset = htobe64(l->cluster_size),
		.refcount_clusters = htobe32((uint32_t)l->table_clusters),
		.incompatible = htobe64(o->extended_l2 ?
			INCOMPATIBLE_EXTENDED_L2 :
			0),
		.compatible = htobe64(o->lazy_refcounts ?
			COMPATIBLE_LAZY_REFCOUNTS :
			0),
		.refcount_order = htobe32(REFCOUNT_ORDER),
		.header_length = htobe32(sizeof(header)),
	};

	if (o->backing_file != NULL) {
		size_t len = strlen(o->backing_file);

		used += put_extension(bytes + sizeof(header),
		    EXTENSION_BACKING_FORMAT, o->backing_format,
		    strlen(o->backing_format));
		header.backing_offset = htobe64(used);
		header.backing_size = htobe32((uint32_t)len);
		memcpy(bytes + used, o->backing_file, len);
		used += len;
	}
	memcpy(bytes, &header, sizeof(header));
	return vm_fd_pwrite(fd, bytes, used, 0, "overlay", err);
}

/* The refcount table's entries, then 1 for each cluster in use. */
static int
write_refcounts(int fd, const struct layout *l, struct vm_error *err)
{
	VM_CLEAN_FREE uint64_t *table = calloc(l->blocks, sizeof(*table));
	VM_CLEAN_FREE uint16_t *counts = calloc(l->total, sizeof(*counts));
	uint64_t first = 1 + l->table_clusters, i;

	if (table == NULL || counts == NULL)
		return vm_error_nomem(err);
	for (i = 0; i < l->blocks; i++)
		table[i] = htobe64((first + i) * l->cluster_size);
	for (i = 0; i < l->total; i++)
		counts[i] = htobe16(1);
	if (vm_fd_pwrite(fd, table, l->blocks * sizeof(*table), l->cluster_size,
		"overlay", err) == -1)
		return -1;
	return vm_fd_pwrite(fd, counts, l->total * sizeof(*counts),
	    first * l->cluster_size, "overlay", err);
}

int
vm_qcow2_create(int fd, const struct vm_qcow2_options *options,
    struct vm_error *err)
{
	unsigned cluster_bits = options->cluster_bits;
	struct layout layout;

	if (cluster_bits == 0)
		cluster_bits = 16;
	if (check(options, cluster_bits, &layout, err) == -1)
		return -1;
	if (ftruncate(fd, (off_t)(layout.total * layout.cluster_size)) == -1)
		return vm_error_errno(err, errno, "overlay");
	if (write_header(fd, options, cluster_bits, &layout, err) == -1)
		return -1;
	return write_refcounts(fd, &layout, err);
}

int
vm_qcow2_virtual_size(int fd, uint64_t *virtual_size, struct vm_error *err)
{
	struct header header;
	size_t got;

	if (vm_fd_pread(fd, &header, sizeof(header), 0, &got, "overlay", err) ==
	    -1)
		return -1;
	if (got != sizeof(header) || be32toh(header.magic) != MAGIC ||
	    be32toh(header.version) < 2 || be32toh(header.version) > 3)
		return vm_error_set(err, VM_E_DATA, "not_qcow2",
		    "not a qcow2 file");
	*virtual_size = be64toh(header.size);
	return 0;
}
