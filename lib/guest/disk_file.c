#include "lib/guest/disk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/disk/copy.h"
#include "lib/disk/qcow2.h"

/* A fresh file in the place of one from a try that failed. */
static int
create(struct vm_publish *publish, const char *file, struct vm_error *err)
{
	if (unlinkat(publish->dir_fd, file, 0) == -1 && errno != ENOENT)
		return vm_error_errno(err, errno, "%s", file);
	return vm_publish_create(publish, file, err);
}

int
vm_disk_file_make(struct vm_publish *publish, const char *file,
    const struct vm_chain *chain, uint64_t virtual_size, struct vm_error *err)
{
	const struct vm_qcow2_options options = {
		.virtual_size = virtual_size,
		.backing_file = chain->files[0].name,
		.backing_format = chain->files[0].is_raw ? "raw" : "qcow2",
	};
	VM_CLEAN_FD int fd = create(publish, file, err);

	return fd == -1 ? -1 : vm_qcow2_create(fd, &options, err);
}

int
vm_disk_file_copy(struct vm_publish *publish, const char *file, int dir_fd,
    const char *from, struct vm_error *err)
{
	VM_CLEAN_FD int source = vm_fd_open_regular(dir_fd, from, err);
	VM_CLEAN_FD int fd = source == -1 ? -1 : create(publish, file, err);

	return fd == -1 ? -1 : vm_copy_sparse(source, fd, err);
}

int
vm_disk_file_seal(struct vm_publish *publish, const char *file, mode_t mode,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_fd_open_regular(publish->dir_fd, file, err);

	return fd == -1 ? -1 : vm_publish_seal(publish, fd, mode, err);
}
