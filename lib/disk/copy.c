#include "lib/disk/copy.h"

#include <sys/ioctl.h>
#include <sys/stat.h>

#include <errno.h>
#include <linux/fs.h>
#include <unistd.h>

/* Copy [at, end) at the same place. */
static int
copy_extent(int from, int to, off_t at, off_t end, struct vm_error *err)
{
	off_t in = at, out = at;
	ssize_t n;

	while (in < end) {
		n = copy_file_range(from, &in, to, &out, (size_t)(end - in), 0);
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

int
vm_copy_sparse(int from, int to, struct vm_error *err)
{
	off_t data, hole = 0;
	struct stat st;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
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
