#include "lib/image/flat.h"

#include <string.h>

#include "lib/disk/raw.h"

struct tail {
	unsigned char bytes[VM_INSPECT_TAIL];
	size_t len;
};

/* Write all but the last bytes; those stay in the tail. */
static int
add(struct vm_raw *raw, struct tail *tail, const unsigned char *data,
    size_t len, struct vm_error *err)
{
	size_t all = tail->len + len;
	size_t spare = all > sizeof(tail->bytes) ? all - sizeof(tail->bytes) :
						   0;
	size_t old = spare < tail->len ? spare : tail->len;

	if (old > 0 && vm_raw_add(raw, tail->bytes, old, err) == -1)
		return -1;
	tail->len -= old;
	memmove(tail->bytes, tail->bytes + old, tail->len);
	spare -= old;
	if (spare > 0 && vm_raw_add(raw, data, spare, err) == -1)
		return -1;
	memcpy(tail->bytes + tail->len, data + spare, len - spare);
	tail->len += len - spare;
	return 0;
}

/* What is it, now that its end is there? */
static int
decide(const struct vm_build *b, const struct tail *tail,
    enum vm_disk_format *format, struct vm_error *err)
{
	*format = VM_DISK_RAW;
	if (tail->len == sizeof(tail->bytes) &&
	    vm_inspect_tail(tail->bytes, b->unpacked - tail->len, format,
		err) == -1)
		return -1;
	return vm_build_check_format(b, *format, err);
}

static int
copy(struct vm_build *b, struct vm_raw *raw, enum vm_disk_format *format,
    struct vm_error *err)
{
	const void *data = b->head.data;
	size_t len = b->head.len;
	struct tail tail = { .len = 0 };

	while (len > 0)
		if (add(raw, &tail, data, len, err) == -1 ||
		    vm_build_pull(b, &data, &len, err) == -1)
			return -1;
	if (decide(b, &tail, format, err) == -1)
		return -1;
	return *format == VM_DISK_RAW ?
	    vm_raw_add(raw, tail.bytes, tail.len, err) :
	    0;
}

int
vm_flat_write(struct vm_build *b, struct vm_error *err)
{
	struct vm_raw *raw VM_CLEAN_RAW = vm_raw_open(b->disk, err);
	enum vm_disk_format format;
	uint64_t size;

	if (raw == NULL || copy(b, raw, &format, err) == -1 ||
	    vm_raw_finish(raw, &size, &b->chunks, err) == -1 ||
	    vm_build_end(b, err) == -1 ||
	    vm_inspect_file(b->disk, b->options->max_virtual_bytes, &b->inspect,
		err) == -1)
		return -1;
	if (b->inspect.format != VM_DISK_RAW)
		return vm_error_set(err, VM_E_DATA, "ambiguous",
		    "it is a VHD in a VHD");
	b->inspect.format = format;
	return 0;
}
