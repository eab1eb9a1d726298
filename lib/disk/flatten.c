#include "lib/disk/flatten.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/progress.h"
#include "lib/disk/layout.h"
#include "lib/disk/qcow2.h"

#define PIECE ((size_t)1 << 20)	 /* bytes that are read at once */
#define BLOCK ((size_t)64 << 10) /* and left out when they are zero */

/* Where it goes: into the disk `qcow2`, or if that is NULL to the file. */
struct target {
	int fd;
	struct vm_overlay *qcow2;
};

static int
write_block(const struct target *target, const unsigned char *data, size_t len,
    uint64_t offset, struct vm_error *err)
{
	if (vm_is_zero(data, len))
		return 0;
	if (target->qcow2 != NULL)
		return vm_overlay_write(target->qcow2, data, len, offset, err);
	return vm_fd_pwrite(target->fd, data, len, offset, "image", err);
}

/* Blocks of the disk, not of the extent: each is a cluster of the new one. */
static int
write_piece(const struct target *target, const unsigned char *data, size_t len,
    uint64_t offset, struct vm_error *err)
{
	for (size_t at = 0, part; at < len; at += part) {
		part = BLOCK - (size_t)((offset + at) % BLOCK);
		if (part > len - at)
			part = len - at;
		if (write_block(target, data + at, part, offset + at, err) ==
		    -1)
			return -1;
	}
	return 0;
}

static int
copy_extent(struct vm_overlay *disk, const struct vm_overlay_extent *extent,
    const struct target *target, unsigned char *piece, struct vm_error *err)
{
	uint64_t end = extent->offset + extent->len, part;

	for (uint64_t at = extent->offset; at < end; at += part) {
		part = PIECE - at % PIECE;
		if (part > end - at)
			part = end - at;
		if (vm_overlay_read(disk, piece, (size_t)part, at, err) == -1 ||
		    write_piece(target, piece, (size_t)part, at, err) == -1)
			return -1;
		vm_progress_update(at + part);
	}
	return 0;
}

static int
copy(struct vm_overlay *disk, const struct target *target, struct vm_error *err)
{
	VM_CLEAN_FREE unsigned char *piece = malloc(PIECE);
	uint64_t size = vm_overlay_size(disk);
	struct vm_overlay_extent extent;

	if (piece == NULL)
		return vm_error_nomem(err);
	for (uint64_t at = 0; at < size; at += extent.len) {
		if (vm_overlay_map(disk, at, size - at, &extent, err) == -1)
			return -1;
		if (extent.kind == VM_OVERLAY_DATA &&
		    copy_extent(disk, &extent, target, piece, err) == -1)
			return -1;
		vm_progress_update(at + extent.len);
	}
	return 0;
}

static int
to_raw(struct vm_overlay *disk, int to, struct vm_error *err)
{
	const struct target target = { .fd = to };

	if (ftruncate(to, (off_t)vm_overlay_size(disk)) == -1)
		return vm_error_errno(err, errno, "image");
	return copy(disk, &target, err);
}

static int
to_qcow2(struct vm_overlay *disk, int to, struct vm_error *err)
{
	const struct vm_qcow2_options options = {
		.virtual_size = vm_overlay_size(disk),
	};
	VM_CLEAN_OVERLAY struct vm_overlay *qcow2 = NULL;
	struct target target = { .fd = to };

	if (vm_qcow2_create(to, &options, err) == -1)
		return -1;
	qcow2 = vm_overlay_open_fd(to, -1, "qcow2", VM_OVERLAY_WRITE, err);
	if (qcow2 == NULL)
		return -1;
	target.qcow2 = qcow2;
	if (copy(disk, &target, err) == -1)
		return -1;
	return vm_overlay_flush(qcow2, err);
}

int
vm_flatten(struct vm_overlay *disk, const char *format, int to,
    const char *name, struct vm_error *err)
{
	int result;

	vm_progress_start(name, vm_overlay_size(disk), VM_PROGRESS_BYTES);
	result = strcmp(format, "raw") == 0 ? to_raw(disk, to, err) :
					      to_qcow2(disk, to, err);
	vm_progress_end();
	return result;
}
