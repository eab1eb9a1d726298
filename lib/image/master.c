#include "lib/image/master.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/image/build.h"
#include "lib/image/flat.h"
#include "lib/image/rewrite.h"
#include "lib/image/spool.h"

#define RATIO_FREE ((uint64_t)1 << 30) /* bytes that any file may become */
#define RATIO_MAX 1000		       /* beyond: times its size */

/* What QEMU calls each format, and tells of its disk's size. */
static const char *const drivers[VM_DISK_FORMATS] = {
	[VM_DISK_VMDK] = "vmdk",
	[VM_DISK_VHD] = "vpc,force_size_calc=current_size",
	[VM_DISK_VHDX] = "vhdx",
	[VM_DISK_VDI] = "vdi",
};

/* Gather enough of the beginning to see what it is. */
static int
read_head(struct vm_build *b, enum vm_disk_format *format, struct vm_error *err)
{
	const void *data;
	size_t len = 1;

	while (b->head.len < VM_INSPECT_HEAD && len > 0)
		if (vm_build_pull(b, &data, &len, err) == -1 ||
		    vm_buf_add(&b->head, data, len, err) == -1)
			return -1;
	if (vm_inspect_head(b->head.data, b->head.len, format, err) == -1)
		return -1;
	/* Its end will say whether it is a fixed VHD. */
	return *format == VM_DISK_RAW ? 0 :
					vm_build_check_format(b, *format, err);
}

static int
seal(struct vm_build *b, struct vm_error *err)
{
	if (vm_publish_seal(b->publish, b->disk, 0444, err) == -1)
		return -1;
	return vm_publish_write(b->publish, "chunks", 0444, b->chunks.data,
	    b->chunks.len, err);
}

static int
build(struct vm_build *b, struct vm_error *err)
{
	enum vm_disk_format format;

	if (read_head(b, &format, err) == -1)
		return -1;
	b->disk = vm_publish_create(b->publish, VM_BUILD_DISK, err);
	if (b->disk == -1)
		return -1;
	switch (format) {
	case VM_DISK_RAW:
		return vm_flat_write(b, err);
	case VM_DISK_QCOW2:
		return vm_rewrite_qcow2(b, err);
	default:
		return vm_spool_convert(b, drivers[format], err);
	}
}

int
vm_master_build(struct vm_publish *publish, const struct vm_master_input *input,
    const struct vm_master_options *options, struct vm_master *master,
    struct vm_error *err)
{
	struct vm_build b VM_CLEAN_BUILD = { .publish = publish,
		.input = input,
		.options = options,
		.disk = -1 };

	if (build(&b, err) == -1 || seal(&b, err) == -1)
		return -1;
	*master = (struct vm_master){
		.format = vm_inspect_format_name(b.inspect.format),
		.virtual_size = b.inspect.virtual_size,
	};
	return 0;
}

int
vm_master_name(struct vm_publish *publish, const char *id, struct vm_error *err)
{
	char name[VM_HASH_MAX_HEX + 16];

	snprintf(name, sizeof(name), "%s.raw", id);
	if (vm_publish_link(publish, publish->dir_fd, VM_BUILD_DISK, name,
		err) == -1)
		return -1;
	if (unlinkat(publish->dir_fd, VM_BUILD_DISK, 0) == -1)
		return vm_error_errno(err, errno, "rename the master");
	return 0;
}

uint64_t
vm_master_allowance(const struct vm_stream *stream,
    const struct vm_master_options *options)
{
	uint64_t max = options->max_virtual_bytes, bytes;

	bytes = vm_stream_position(stream) * RATIO_MAX;
	bytes = bytes < RATIO_FREE ? RATIO_FREE : bytes;
	return options->any_ratio || max < bytes ? max : bytes;
}

int
vm_master_check_ratio(const struct vm_stream *stream,
    const struct vm_master_options *options, uint64_t bytes,
    struct vm_error *err)
{
	uint64_t max = options->max_virtual_bytes;

	if (bytes > max)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "it unpacks to more than %llu bytes",
		    (unsigned long long)max);
	if (bytes <= vm_master_allowance(stream, options))
		return 0;
	vm_error_set(err, VM_E_DATA, "bomb",
	    "%llu bytes unpack to more than %d times as many",
	    (unsigned long long)vm_stream_position(stream), RATIO_MAX);
	return vm_error_hint(err, "vmfetch --max-size SIZE, if that is right");
}
