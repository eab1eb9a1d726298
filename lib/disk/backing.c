/* backing.c - see backing.h. */
#include "lib/disk/backing.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/fd.h"

#define MAGIC 0x514649fbU
#define EXTENSION_FORMAT 0xe2792acaU
#define FEATURE_DATA_FILE ((uint64_t)1 << 2)
#define AREA 4096 /* the header, its extensions and the name */
#define HEADER_V2 72
#define HEADER_V3_MIN 104

struct header {
	unsigned char data[AREA];
	size_t len;
};

static uint32_t
be32(const struct header *header, size_t at)
{
	uint32_t value;

	memcpy(&value, header->data + at, sizeof(value));
	return be32toh(value);
}

static uint64_t
be64(const struct header *header, size_t at)
{
	uint64_t value;

	memcpy(&value, header->data + at, sizeof(value));
	return be64toh(value);
}

static int
fail(struct vm_error *err, const char *what)
{
	return vm_error_set(err, VM_E_DATA, "bad_overlay", "overlay: %s", what);
}

static int
copy_name(const struct header *header, uint64_t at, uint32_t len,
    struct vm_backing *backing, struct vm_error *err)
{
	uint32_t i;

	if (len >= sizeof(backing->file) || at > header->len ||
	    len > header->len - at)
		return fail(err, "the backing file's name is out of place");
	for (i = 0; i < len; i++) {
		unsigned char c = header->data[at + i];

		if (c <= ' ' || c == '/' || c == ':' || c == 0x7f)
			return fail(err, "the backing file is no plain name");
	}
	memcpy(backing->file, header->data + at, len);
	backing->file[len] = '\0';
	return 0;
}

/* Find the extension that gives the backing file's format. */
static int
copy_format(const struct header *header, size_t at, struct vm_backing *backing,
    struct vm_error *err)
{
	while (at + 8 <= header->len && be32(header, at) != 0) {
		uint32_t type = be32(header, at), len = be32(header, at + 4);

		at += 8;
		if (len > header->len - at)
			break;
		if (type == EXTENSION_FORMAT && len < sizeof(backing->format)) {
			memcpy(backing->format, header->data + at, len);
			backing->format[len] = '\0';
			if (strcmp(backing->format, "raw") == 0 ||
			    strcmp(backing->format, "qcow2") == 0)
				return 0;
			break;
		}
		at += ((size_t)len + 7) & ~(size_t)7;
	}
	return fail(err, "the backing file's format is not given");
}

int
vm_backing_read(int fd, struct vm_backing *backing, struct vm_error *err)
{
	struct vm_backing found = { .file = "" };
	struct header header;
	uint32_t version, len;
	uint64_t name_at;

	if (vm_fd_pread(fd, header.data, sizeof(header.data), 0, &header.len,
		"overlay", err) == -1)
		return -1;
	if (header.len < HEADER_V3_MIN || be32(&header, 0) != MAGIC)
		return fail(err, "not a qcow2 file");
	version = be32(&header, 4);
	if (version != 2 && version != 3)
		return fail(err, "an unknown version of qcow2");
	if (version == 3 && (be64(&header, 72) & FEATURE_DATA_FILE) != 0)
		return fail(err, "it has an external data file");
	name_at = be64(&header, 8);
	len = be32(&header, 16);
	if (name_at != 0 && len != 0) {
		size_t at = version == 2 ? HEADER_V2 : be32(&header, 100);

		if (at > header.len)
			return fail(err, "the header is too long");
		if (copy_name(&header, name_at, len, &found, err) == -1 ||
		    copy_format(&header, at, &found, err) == -1)
			return -1;
	}
	*backing = found;
	return 0;
}
