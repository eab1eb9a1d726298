#include "lib/image/spool.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/disk/chunks.h"
#include "lib/disk/raw.h"
#include "lib/qemu/img.h"

#define SPOOL "download"

/* Write what is not zero: the blocks of a fixed disk mostly are. */
static int
add(int fd, const unsigned char *data, size_t len, uint64_t at,
    struct vm_error *err)
{
	for (size_t done = 0, part; done < len; done += part) {
		part = len - done < VM_CHUNK_HOLE ? len - done : VM_CHUNK_HOLE;
		if (!vm_chunks_is_zero(data + done, part) &&
		    vm_fd_pwrite(fd, data + done, part, at + done, "the store",
			err) == -1)
			return -1;
	}
	return 0;
}

static int
save(struct vm_build *b, int fd, struct vm_error *err)
{
	const void *data = b->head.data;
	size_t len = b->head.len;

	while (len > 0)
		if (add(fd, data, len, b->unpacked - len, err) == -1 ||
		    vm_build_pull(b, &data, &len, err) == -1)
			return -1;
	if (ftruncate(fd, (off_t)b->unpacked) == -1)
		return vm_error_errno(err, errno, "set the download's size");
	return 0;
}

static int
convert(struct vm_build *b, const char *driver, struct vm_error *err)
{
	const struct vm_img_convert work = {
		.dir_fd = b->publish->dir_fd,
		.from = SPOOL,
		.driver = driver,
		.to = VM_BUILD_DISK,
		.virtual_size = b->inspect.virtual_size,
	};

	if (ftruncate(b->disk, (off_t)b->inspect.virtual_size) == -1)
		return vm_error_errno(err, errno, "set the master's size");
	if (vm_img_convert_raw(&work, err) == -1)
		return -1;
	return vm_raw_scan(b->disk, b->inspect.virtual_size, &b->chunks, err);
}

int
vm_spool_convert(struct vm_build *b, const char *driver, struct vm_error *err)
{
	int fd VM_CLEAN_FD = vm_publish_create(b->publish, SPOOL, err);
	uint64_t max = b->options->max_virtual_bytes;

	if (fd == -1 || save(b, fd, err) == -1 || vm_build_end(b, err) == -1)
		return -1;
	if (vm_inspect_file(fd, max, &b->inspect, err) == -1 ||
	    vm_build_check_ratio(b, b->inspect.allocated, err) == -1 ||
	    vm_build_check_space(b, b->inspect.allocated, err) == -1 ||
	    convert(b, driver, err) == -1)
		return -1;
	if (unlinkat(b->publish->dir_fd, SPOOL, 0) == -1)
		return vm_error_errno(err, errno, "remove the download");
	return 0;
}
