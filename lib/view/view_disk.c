#include <sys/ioctl.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/view/view_disk.h"

#define EXTENTS 128 /* asked for at once */
#define BLOCK 512   /* the unit of st_blocks on Linux, stat(2) */

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

/* The extents from `at` on: what they take alone; the end of the last. */
static uint64_t
add_extents(const struct fiemap *map, uint64_t at, uint64_t *bytes)
{
	for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
		const struct fiemap_extent *extent = &map->fm_extents[i];

		at = extent->fe_logical + extent->fe_length;
		if ((extent->fe_flags & FIEMAP_EXTENT_SHARED) == 0)
			*bytes += extent->fe_length;
		if ((extent->fe_flags & FIEMAP_EXTENT_LAST) != 0)
			return UINT64_MAX;
	}
	return at;
}

int
vm_view_disk_own(int dirfd, const char *file, uint64_t *bytes,
    struct vm_error *err)
{
	VM_CLEAN_FREE struct fiemap *map = calloc(1,
	    sizeof(*map) + EXTENTS * sizeof(map->fm_extents[0]));
	VM_CLEAN_FD int fd = vm_fd_open_regular(dirfd, file, err);
	uint64_t at = 0;
	struct stat st;

	if (map == NULL)
		return vm_error_nomem(err);
	if (fd == -1)
		return -1;
	*bytes = 0;
	do {
		*map = (struct fiemap){ .fm_start = at,
			.fm_length = UINT64_MAX - at,
			.fm_extent_count = EXTENTS };
		if (ioctl(fd, FS_IOC_FIEMAP, map) == -1) {
			if (fstat(fd, &st) == -1)
				return vm_error_errno(err, errno, "%s", file);
			*bytes = (uint64_t)st.st_blocks * BLOCK;
			return 0;
		}
		at = add_extents(map, at, bytes);
	} while (map->fm_mapped_extents > 0 && at != UINT64_MAX);
	return 0;
}
