#include "lib/disk/inspect.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/disk/check.h"
#include "lib/disk/vdi.h"
#include "lib/disk/vhd.h"
#include "lib/disk/vhdx.h"
#include "lib/disk/vmdk.h"
#include "lib/disk/vmdk_text.h"

#define SECTOR VM_INSPECT_TAIL

static const char *const names[VM_DISK_FORMATS] = { "raw", "qcow2", "vmdk",
	"vhd", "vhdx", "vdi" };

/* A format is known by bytes at a place, from the file's begin or its end. */
struct sign {
	enum vm_disk_format format;
	const char *name;
	uint32_t offset; /* from the begin; or back from the end */
	bool at_end;
	const char *bytes;
	size_t len;
};

#define SIGN(format, name, offset, bytes)                                      \
	{                                                                      \
		VM_DISK_##format, name, offset, false, bytes,                  \
		    sizeof(bytes) - 1                                          \
	}
#define SIGN_END(format, name, offset, bytes)                                  \
	{                                                                      \
		VM_DISK_##format, name, offset, true, bytes, sizeof(bytes) - 1 \
	}

/* What has been unpacked once is not unpacked again. */
static const char packed[] = "compressed data";

static const struct sign signs[] = {
	SIGN(QCOW2, "qcow2", 0, "QFI\xfb"),
	SIGN(OTHER, "QED", 0, "QED\0"),
	SIGN(VMDK, "VMDK", 0, "KDMV"),
	SIGN(VMDK, "VMDK", 0, "COWD"),
	SIGN(VMDK, "VMDK", 0, "# Disk DescriptorFile"),
	{ VM_DISK_VMDK, "VMDK", 0, false, NULL, 0 }, /* such a text */
	SIGN(VHDX, "VHDX", 0, "vhdxfile"),
	SIGN(VHD, "VHD", 0, "conectix"),
	SIGN_END(VHD, "VHD", 512, "conectix"),
	SIGN_END(OTHER, "VHD of Virtual PC 2004", 511, "conectix"),
	SIGN(VDI, "VDI", 64, "\x7f\x10\xda\xbe"),
	SIGN(OTHER, "Parallels", 0, "WithoutFreeSpace"),
	SIGN(OTHER, "Parallels", 0, "WithouFreSpacExt"),
	SIGN(OTHER, "LUKS", 0, "LUKS\xba\xbe"),
	SIGN(OTHER, "Bochs", 0, "Bochs Virtual HD Image"),
	SIGN(OTHER, "cloop", 0, "#!/bin/sh\n#V2.0 Format\n"),
	SIGN_END(OTHER, "DMG", 512, "koly"),
	SIGN(OTHER, "ISO 9660", 32769, "CD001"),
	SIGN(OTHER, "tar or OVA", 257, "ustar"),
	SIGN(OTHER, "zip", 0, "PK\003\004"),
	SIGN(OTHER, packed, 0, "\x1f\x8b"),
	SIGN(OTHER, packed, 0,
	    "\xfd"
	    "7zXZ\0"),
	SIGN(OTHER, packed, 0, "\x28\xb5\x2f\xfd"),
	SIGN(OTHER, packed, 0, "BZh"),
	SIGN(OTHER, packed, 0, "\x04\x22\x4d\x18"),
	SIGN(OTHER, "compress (.Z)", 0, "\x1f\x9d"),
	SIGN(OTHER, "lzip", 0, "LZIP"),
	SIGN(OTHER, "lzop", 0, "\x89LZO"),
	SIGN(OTHER, "7-zip", 0, "7z\xbc\xaf"),
};

static bool
has_sign(const struct sign *sign, const unsigned char *head, size_t head_len,
    const unsigned char *tail, size_t tail_len)
{
	const unsigned char *data = sign->at_end ? tail : head;
	size_t len = sign->at_end ? tail_len : head_len;
	size_t at = sign->offset;

	if (sign->bytes == NULL)
		return vm_vmdk_is_text(head, head_len);
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
	const struct sign *found = NULL;

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		const struct sign *sign = &signs[i];

		if (!has_sign(sign, head, head_len, tail, tail_len))
			continue;
		if (found != NULL && strcmp(found->name, sign->name) != 0)
			return vm_error_set(err, VM_E_DATA, "ambiguous",
			    "it is both %s and %s", found->name, sign->name);
		found = sign;
	}
	if (found != NULL && found->name == packed)
		return vm_error_set(err, VM_E_DATA, "bomb",
		    "it is compressed more than once");
	if (found != NULL && found->format == VM_DISK_OTHER)
		return vm_error_set(err, VM_E_DATA, "format",
		    "%s is not accepted; raw, qcow2, VMDK, VHD, VHDX and VDI "
		    "are",
		    found->name);
	*format = found == NULL ? VM_DISK_RAW : found->format;
	return 0;
}

int
vm_inspect_head(const void *head, size_t len, enum vm_disk_format *format,
    struct vm_error *err)
{
	return probe(head, len, NULL, 0, format, err);
}

int
vm_inspect_tail(const void *tail, uint64_t len, enum vm_disk_format *format,
    struct vm_error *err)
{
	bool is_vhd = vm_vhd_is_footer(tail);

	if (is_vhd && vm_vhd_check_footer(tail, len, err) == -1)
		return -1;
	*format = is_vhd ? VM_DISK_VHD : VM_DISK_RAW;
	return 0;
}

static int
check_raw(uint64_t size, uint64_t max, struct vm_error *err)
{
	if (size % SECTOR != 0)
		return vm_error_set(err, VM_E_DATA, "format",
		    "%llu bytes are no raw disk: not whole sectors of %zu",
		    (unsigned long long)size, SECTOR);
	if (size > max)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "virtual size %llu is above the limit of %llu bytes",
		    (unsigned long long)size, (unsigned long long)max);
	return 0;
}

/* A raw disk, or one with a VHD's footer behind it. */
static int
check_flat(const unsigned char *tail, uint64_t size, uint64_t max,
    struct vm_inspect *made, struct vm_error *err)
{
	if (vm_inspect_tail(tail, size - SECTOR, &made->format, err) == -1)
		return -1;
	if (made->format == VM_DISK_VHD)
		size -= SECTOR;
	made->virtual_size = made->allocated = size;
	return check_raw(size, max, err);
}

static int
check_tables(int fd, uint64_t size, uint64_t max, struct vm_inspect *made,
    struct vm_error *err)
{
	static int (*const checks[VM_DISK_FORMATS])(int, uint64_t, uint64_t,
	    struct vm_check *, struct vm_error *) = {
		[VM_DISK_QCOW2] = vm_check_qcow2,
		[VM_DISK_VMDK] = vm_vmdk_check,
		[VM_DISK_VHD] = vm_vhd_check,
		[VM_DISK_VHDX] = vm_vhdx_check,
		[VM_DISK_VDI] = vm_vdi_check,
	};
	struct vm_check check = { 0 };

	if (checks[made->format](fd, size, max, &check, err) == -1)
		return -1;
	made->virtual_size = check.virtual_size;
	made->allocated = check.allocated;
	return 0;
}

int
vm_inspect_file(int fd, uint64_t max_virtual_bytes, struct vm_inspect *inspect,
    struct vm_error *err)
{
	unsigned char *head VM_CLEAN_FREE = malloc(VM_INSPECT_HEAD);
	unsigned char tail[VM_INSPECT_TAIL];
	struct vm_inspect made = { 0 };
	size_t head_len, tail_len;
	uint64_t size;
	struct stat st;

	if (head == NULL)
		return vm_error_nomem(err);
	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "look at the image");
	size = (uint64_t)st.st_size;
	if (size < sizeof(tail))
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "%llu bytes are too few for a disk",
		    (unsigned long long)size);
	if (vm_fd_pread(fd, head, VM_INSPECT_HEAD, 0, &head_len, "image",
		err) == -1 ||
	    vm_fd_pread(fd, tail, sizeof(tail), size - sizeof(tail), &tail_len,
		"image", err) == -1 ||
	    probe(head, head_len, tail, tail_len, &made.format, err) == -1)
		return -1;
	/* A dynamic VHD begins with the cookie, a fixed one only ends so. */
	if ((made.format == VM_DISK_RAW ||
			(made.format == VM_DISK_VHD &&
			    !vm_vhd_is_footer(head)) ?
		    check_flat(tail, size, max_virtual_bytes, &made, err) :
		    check_tables(fd, size, max_virtual_bytes, &made, err)) ==
	    -1)
		return -1;
	*inspect = made;
	return 0;
}

const char *
vm_inspect_format_name(enum vm_disk_format format)
{
	return names[format];
}
