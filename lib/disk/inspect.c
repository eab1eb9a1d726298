#include "lib/disk/inspect.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/disk/check.h"

#define SECTOR 512

/* A format is known by bytes at a place, from the file's begin or its end. */
struct sign {
	const char *name;
	uint32_t offset; /* from the begin; or back from the end */
	bool at_end;
	const char *bytes;
	size_t len;
};

#define SIGN(name, offset, bytes)                                              \
	{                                                                      \
		name, offset, false, bytes, sizeof(bytes) - 1                  \
	}
#define SIGN_END(name, offset, bytes)                                          \
	{                                                                      \
		name, offset, true, bytes, sizeof(bytes) - 1                   \
	}

static const char qcow2_name[] = "qcow2";

static const struct sign signs[] = {
	SIGN(qcow2_name, 0, "QFI\xfb"),
	SIGN("QED", 0, "QED\0"),
	SIGN("VMDK", 0, "KDMV"),
	SIGN("VMDK", 0, "COWD"),
	SIGN("VMDK", 0, "# Disk DescriptorFile"),
	SIGN("VHDX", 0, "vhdxfile"),
	SIGN("VHD", 0, "conectix"),
	SIGN_END("VHD", 512, "conectix"),
	SIGN_END("VHD", 511, "conectix"),
	SIGN("VDI", 64, "\x7f\x10\xda\xbe"),
	SIGN("Parallels", 0, "WithoutFreeSpace"),
	SIGN("Parallels", 0, "WithouFreSpacExt"),
	SIGN("LUKS", 0, "LUKS\xba\xbe"),
	SIGN("Bochs", 0, "Bochs Virtual HD Image"),
	SIGN("cloop", 0, "#!/bin/sh\n#V2.0 Format\n"),
	SIGN_END("DMG", 512, "koly"),
	SIGN("ISO 9660", 32769, "CD001"),
	SIGN("tar or OVA", 257, "ustar"),
	SIGN("zip", 0, "PK\003\004"),
	SIGN("gzip in another compression", 0, "\x1f\x8b"),
	SIGN("xz in another compression", 0,
	    "\xfd"
	    "7zXZ\0"),
	SIGN("zstd in another compression", 0, "\x28\xb5\x2f\xfd"),
	SIGN("bzip2 in another compression", 0, "BZh"),
};

static bool
has_sign(const struct sign *sign, const unsigned char *head, size_t head_len,
    const unsigned char *tail, size_t tail_len)
{
	const unsigned char *data = sign->at_end ? tail : head;
	size_t len = sign->at_end ? tail_len : head_len;
	size_t at = sign->offset;

	if (sign->at_end) {
		if (len < at)
			return false;
		at = len - at;
	}
	return len >= at + sign->len &&
	    memcmp(data + at, sign->bytes, sign->len) == 0;
}

static int
probe(const unsigned char *head, size_t head_len, const unsigned char *tail,
    size_t tail_len, enum vm_disk_format *format, struct vm_error *err)
{
	const char *found = NULL;

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		const char *name = signs[i].name;

		if (!has_sign(&signs[i], head, head_len, tail, tail_len))
			continue;
		if (found != NULL && strcmp(found, name) != 0)
			return vm_error_set(err, VM_E_DATA, "ambiguous",
			    "it is both %s and %s", found, name);
		found = name;
	}
	if (found != NULL && found != qcow2_name)
		return vm_error_set(err, VM_E_DATA, "format",
		    "%s is not accepted; raw and qcow2 are", found);
	*format = found == NULL ? VM_DISK_RAW : VM_DISK_QCOW2;
	return 0;
}

int
vm_inspect_head(const void *head, size_t len, enum vm_disk_format *format,
    struct vm_error *err)
{
	return probe(head, len, NULL, 0, format, err);
}

static int
check_raw(uint64_t size, uint64_t max, struct vm_error *err)
{
	if (size % SECTOR != 0)
		return vm_error_set(err, VM_E_DATA, "format",
		    "%llu bytes are no raw disk: not whole sectors of %d",
		    (unsigned long long)size, SECTOR);
	if (size > max)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "virtual size %llu is above the limit of %llu bytes",
		    (unsigned long long)size, (unsigned long long)max);
	return 0;
}

int
vm_inspect_file(int fd, uint64_t max_virtual_bytes, struct vm_inspect *inspect,
    struct vm_error *err)
{
	unsigned char *head VM_CLEAN_FREE = malloc(VM_INSPECT_HEAD);
	unsigned char tail[SECTOR];
	struct vm_check check = { 0 };
	enum vm_disk_format format;
	size_t head_len, tail_len;
	uint64_t size;
	struct stat st;

	if (head == NULL)
		return vm_error_nomem(err);
	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "look at the image");
	size = (uint64_t)st.st_size;
	if (size < SECTOR)
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "%llu bytes are too few for a disk",
		    (unsigned long long)size);
	if (vm_fd_pread(fd, head, VM_INSPECT_HEAD, 0, &head_len, "image",
		err) == -1 ||
	    vm_fd_pread(fd, tail, SECTOR, size - SECTOR, &tail_len, "image",
		err) == -1)
		return -1;
	if (probe(head, head_len, tail, tail_len, &format, err) == -1)
		return -1;
	check.virtual_size = check.allocated = size;
	if ((format == VM_DISK_QCOW2 ?
		    vm_check_qcow2(fd, size, max_virtual_bytes, &check, err) :
		    check_raw(size, max_virtual_bytes, err)) == -1)
		return -1;
	inspect->format = format;
	inspect->virtual_size = check.virtual_size;
	inspect->allocated = check.allocated;
	return 0;
}

const char *
vm_inspect_format_name(enum vm_disk_format format)
{
	return format == VM_DISK_RAW ? "raw" : "qcow2";
}
