/*
 * layout.h - an image file of unknown origin, and which of its bytes are taken.
 *
 * The checkers of the formats read every table of a file through this.  The
 * file is divided into units; whoever is named as the owner of bytes takes the
 * units that they lie in, and nobody can take what another one has, so that no
 * table can be shown to the guest as data and no small file can become a huge
 * one by using the same bytes again and again.  Memory is a bit per unit.
 */
#ifndef VM_DISK_LAYOUT_H
#define VM_DISK_LAYOUT_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

#define VM_SECTOR ((uint64_t)512)
#define VM_LAYOUT_UNITS_MAX ((uint64_t)1 << 29) /* 64 MiB of bits */

struct vm_layout {
	int fd;		    /* the caller's */
	const char *format; /* for messages */
	uint64_t file_size; /* bytes */
	unsigned unit_bits;
	unsigned char *taken; /* a bit per unit */
};

/*
 * Begin with nothing taken; fd, format, file_size and unit_bits are set.  A
 * file of more units than VM_LAYOUT_UNITS_MAX is VM_E_DATA "bad_table".
 */
int vm_layout_init(struct vm_layout *layout, struct vm_error *err)
    VM_MUST_CHECK;

/* Read len bytes that must be there, else VM_E_DATA "truncated". */
int vm_layout_read(const struct vm_layout *layout, void *data, size_t len,
    uint64_t offset, struct vm_error *err) VM_MUST_CHECK;

/*
 * Take the len bytes at offset, which is the beginning of a unit, for `what`.
 * VM_E_DATA "bad_table" when they do not lie in the file as a whole, are not
 * aligned, or some of them are taken.
 */
int vm_layout_take(struct vm_layout *layout, uint64_t offset, uint64_t len,
    const char *what, struct vm_error *err) VM_MUST_CHECK;

/* The same for data, which may go on behind the file's end (it is zero). */
int vm_layout_take_data(struct vm_layout *layout, uint64_t offset, uint64_t len,
    struct vm_error *err) VM_MUST_CHECK;

/* VM_E_DATA "bad_table": "FORMAT: what, at offset N". */
int vm_layout_bad(const struct vm_layout *layout, const char *what,
    uint64_t offset, struct vm_error *err);

/*
 * A size that a disk can have: whole sectors, not none, not above max_bytes;
 * else VM_E_DATA "virtual_size".
 */
int vm_layout_check_size(const struct vm_layout *layout, uint64_t bytes,
    uint64_t max_bytes, struct vm_error *err) VM_MUST_CHECK;

void vm_layout_release(struct vm_layout *layout);
#define VM_CLEAN_LAYOUT VM_CLEAN(vm_layout_release)

/* --- numbers at any place, big and little endian -------------------------- */

static inline uint32_t
vm_be32(const unsigned char *data, size_t at)
{
	uint32_t value;

	memcpy(&value, data + at, sizeof(value));
	return be32toh(value);
}

static inline uint64_t
vm_be64(const unsigned char *data, size_t at)
{
	uint64_t value;

	memcpy(&value, data + at, sizeof(value));
	return be64toh(value);
}

static inline uint16_t
vm_le16(const unsigned char *data, size_t at)
{
	uint16_t value;

	memcpy(&value, data + at, sizeof(value));
	return le16toh(value);
}

static inline uint32_t
vm_le32(const unsigned char *data, size_t at)
{
	uint32_t value;

	memcpy(&value, data + at, sizeof(value));
	return le32toh(value);
}

static inline uint64_t
vm_le64(const unsigned char *data, size_t at)
{
	uint64_t value;

	memcpy(&value, data + at, sizeof(value));
	return le64toh(value);
}

static inline bool
vm_is_zero(const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != 0)
			return false;
	return true;
}

#endif
