#include "lib/disk/layout.h"

#include <stdlib.h>

#include "lib/base/fd.h"

int
vm_layout_init(struct vm_layout *layout, struct vm_error *err)
{
	uint64_t units = layout->file_size >> layout->unit_bits;

	if (units >= VM_LAYOUT_UNITS_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "%s: a file of %llu bytes is too large to be checked",
		    layout->format, (unsigned long long)layout->file_size);
	layout->taken = calloc(1, (size_t)(units / 8 + 1));
	return layout->taken == NULL ? vm_error_nomem(err) : 0;
}

int
vm_layout_read(const struct vm_layout *layout, void *data, size_t len,
    uint64_t offset, struct vm_error *err)
{
	size_t got = 0;

	if (offset < layout->file_size &&
	    vm_fd_pread(layout->fd, data, len, offset, &got, layout->format,
		err) == -1)
		return -1;
	if (got == len)
		return 0;
	return vm_error_set(err, VM_E_DATA, "truncated",
	    "%s: the file ends at %llu, inside a table", layout->format,
	    (unsigned long long)layout->file_size);
}

int
vm_layout_bad(const struct vm_layout *layout, const char *what, uint64_t offset,
    struct vm_error *err)
{
	return vm_error_set(err, VM_E_DATA, "bad_table",
	    "%s: %s, at offset %llu", layout->format, what,
	    (unsigned long long)offset);
}

int
vm_layout_check_size(const struct vm_layout *layout, uint64_t bytes,
    uint64_t max_bytes, struct vm_error *err)
{
	if (bytes > max_bytes)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "%s: virtual size %llu is above the limit of %llu bytes",
		    layout->format, (unsigned long long)bytes,
		    (unsigned long long)max_bytes);
	if (bytes == 0 || bytes % VM_SECTOR != 0)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "%s: virtual size %llu is not one of a disk",
		    layout->format, (unsigned long long)bytes);
	return 0;
}

/* Take the units [first, end); false: one is taken already. */
static bool
take_units(unsigned char *taken, uint64_t first, uint64_t end)
{
	while (first < end) {
		unsigned char bits, *byte = &taken[first / 8];

		if (first % 8 == 0 && end - first >= 8) {
			bits = 0xff;
			first += 8;
		} else {
			bits = (unsigned char)(1 << first % 8);
			first++;
		}
		if (*byte & bits)
			return false;
		*byte |= bits;
	}
	return true;
}

static int
take(struct vm_layout *layout, uint64_t offset, uint64_t len, const char *what,
    struct vm_error *err)
{
	uint64_t unit = (uint64_t)1 << layout->unit_bits;

	if (!take_units(layout->taken, offset >> layout->unit_bits,
		(offset + len + unit - 1) >> layout->unit_bits))
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "%s: %s overlaps something else, at offset %llu",
		    layout->format, what, (unsigned long long)offset);
	return 0;
}

static int
check_place(const struct vm_layout *layout, uint64_t offset, uint64_t len,
    const char *what, struct vm_error *err)
{
	if (offset % ((uint64_t)1 << layout->unit_bits) != 0)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "%s: %s is not aligned, at offset %llu", layout->format,
		    what, (unsigned long long)offset);
	if (offset >= layout->file_size || len > layout->file_size - offset)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "%s: %s is outside the file, at offset %llu",
		    layout->format, what, (unsigned long long)offset);
	return 0;
}

int
vm_layout_take(struct vm_layout *layout, uint64_t offset, uint64_t len,
    const char *what, struct vm_error *err)
{
	if (check_place(layout, offset, len, what, err) == -1)
		return -1;
	return take(layout, offset, len, what, err);
}

int
vm_layout_take_data(struct vm_layout *layout, uint64_t offset, uint64_t len,
    struct vm_error *err)
{
	static const char what[] = "data";
	uint64_t rest;

	if (check_place(layout, offset, 0, what, err) == -1)
		return -1;
	rest = layout->file_size - offset;
	return take(layout, offset, len < rest ? len : rest, what, err);
}

void
vm_layout_release(struct vm_layout *layout)
{
	free(layout->taken);
	layout->taken = NULL;
}
