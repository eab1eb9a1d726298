#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clean.h"
#include "lib/view/view_disk.h"

#define BLOCK 512 /* the unit of st_blocks on Linux, stat(2) */

static void
close_dir(DIR **dir)
{
	if (*dir != NULL)
		closedir(*dir);
}

static int
is_disk(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL &&
	    (strcmp(dot, ".raw") == 0 || strcmp(dot, ".qcow2") == 0);
}

static DIR *
open_again(int dirfd, struct vm_error *err)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd != -1 ? fdopendir(fd) : NULL;

	if (dir == NULL) {
		vm_error_errno(err, errno, "directory");
		if (fd != -1)
			close(fd);
	}
	return dir;
}

int
vm_view_disk_measure(int dirfd, const char *file, struct vm_view_disk *disk,
    struct vm_error *err)
{
	VM_CLEAN(close_dir) DIR *dir = open_again(dirfd, err);
	struct dirent *entry;
	struct stat st;

	if (dir == NULL)
		return -1;
	*disk = (struct vm_view_disk){ 0 };
	while ((entry = readdir(dir)) != NULL) {
		if (!is_disk(entry->d_name) ||
		    fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			-1 ||
		    !S_ISREG(st.st_mode))
			continue;
		disk->refer += (uint64_t)st.st_blocks * BLOCK;
		if (strcmp(entry->d_name, file) != 0)
			continue;
		disk->used = (uint64_t)st.st_blocks * BLOCK;
		disk->links = (uint64_t)st.st_nlink;
	}
	return 0;
}
