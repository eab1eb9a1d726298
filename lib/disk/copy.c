#include "lib/disk/copy.h"

#include <sys/ioctl.h>
#include <sys/stat.h>

#include <errno.h>
#include <linux/fs.h>
#include <unistd.h>

#include "lib/base/proc.h"

#define PIECE ((size_t)64 << 20) /* between looks at whether to stop */

/* Copy [at, end) at the same place. */
static int
copy_extent(int from, int to, off_t at, off_t end, struct vm_error *err)
{
	off_t in = at, out = at;
	size_t len;
	ssize_t n;

	while (in < end) {
		if (vm_proc_check_stop(err) == -1)
			return -1;
		len = (uint64_t)(end - in) < PIECE ? (size_t)(end - in) : PIECE;
		n = copy_file_range(from, &in, to, &out, len, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return vm_error_errno(err, errno, "copying a disk");
		if (n == 0)
			return vm_error_set(err, VM_E_TRY_AGAIN, "changed",
			    "the disk became shorter while it was copied");
	}
	return 0;
}

static int
copy_extents(int from, int to, struct vm_error *err)
{
	off_t data, hole = 0;
	struct stat st;

	if (fstat(from, &st) == -1 || ftruncate(to, st.st_size) == -1)
		return vm_error_errno(err, errno, "copying a disk");
	for (;;) {
		data = lseek(from, hole, SEEK_DATA);
		if (data == -1 && errno == ENXIO)
			return 0; /* nothing but a hole is left */
		if (data == -1 || (hole = lseek(from, data, SEEK_HOLE)) == -1)
			return vm_error_errno(err, errno, "copying a disk");
		if (copy_extent(from, to, data, hole, err) == -1)
			return -1;
	}
}

/* Of ioctl_ficlone(2): it is not done here. */
static bool
means_cannot(int errnum)
{
	return errnum == EOPNOTSUPP || errnum == ENOTTY || errnum == EINVAL ||
	    errnum == ENOSYS;
}

int
vm_copy_share(int from, int to, struct vm_error *err)
{
	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	if (!means_cannot(errno))
		return vm_error_errno(err, errno, "sharing a disk's blocks");
	return vm_error_set(err, VM_E_UNAVAILABLE, "no_reflink",
	    "the store's file system cannot share blocks between files "
	    "(XFS and btrfs can)");
}

int
vm_copy_sparse(int from, int to, struct vm_error *err)
{
	return ioctl(to, FICLONE, from) == 0 ? 0 : copy_extents(from, to, err);
}
