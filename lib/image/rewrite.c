#include "lib/image/rewrite.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/disk/qcow2_read.h"

#define SPOOL "download"

struct spool {
	int fd;
	bool is_own; /* to be written, and to be closed */
};

static void
close_spool(struct spool *spool)
{
	if (spool->is_own)
		vm_clean_fd(&spool->fd);
}

/* What the download keeps anyway, or a file that ends with us. */
static int
open_spool(struct vm_build *b, struct spool *spool, struct vm_error *err)
{
	if (b->input->is_plain) {
		spool->fd = vm_stream_lend(b->input->stream);
		if (spool->fd != -1)
			return 0;
	}
	spool->is_own = true;
	spool->fd = vm_publish_create(b->publish, SPOOL, err);
	if (spool->fd == -1)
		return -1;
	if (unlinkat(b->publish->dir_fd, SPOOL, 0) == -1)
		return vm_error_errno(err, errno, "remove the download");
	return 0;
}

static int
save(struct vm_build *b, const struct spool *spool,
    struct vm_qcow2_read *reader, struct vm_error *err)
{
	const void *data = b->head.data;
	size_t len = b->head.len;

	while (len > 0) {
		if (spool->is_own &&
		    vm_fd_write(spool->fd, data, len, "the store", err) == -1)
			return -1;
		if (vm_qcow2_read_advance(reader, b->unpacked,
			vm_build_allowance(b), err) == -1 ||
		    vm_build_pull(b, &data, &len, err) == -1)
			return -1;
	}
	return 0;
}

int
vm_rewrite_qcow2(struct vm_build *b, struct vm_error *err)
{
	struct spool spool VM_CLEAN(close_spool) = { .fd = -1 };
	struct vm_qcow2_read *reader VM_CLEAN_QCOW2_READ = NULL;
	uint64_t max = b->options->max_virtual_bytes;

	if (open_spool(b, &spool, err) == -1)
		return -1;
	reader = vm_qcow2_read_open(spool.fd, b->disk, max, err);
	if (reader == NULL || save(b, &spool, reader, err) == -1 ||
	    vm_build_end(b, err) == -1)
		return -1;
	if (vm_inspect_file(spool.fd, max, &b->inspect, err) == -1 ||
	    vm_build_check_ratio(b, b->inspect.allocated, err) == -1)
		return -1;
	return vm_qcow2_read_finish(reader, &b->chunks, err);
}
