#include "lib/store/usage.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512 /* the unit of st_blocks on Linux, stat(2) */
#define DEPTH_MAX 32

static int
append(struct vm_usage *usage, const struct vm_usage_file *file,
    struct vm_error *err)
{
	/* grown at each power of two */
	if ((usage->count & (usage->count - 1)) == 0) {
		size_t cap = usage->count == 0 ? 1 : 2 * usage->count;
		struct vm_usage_file *grown = reallocarray(usage->files, cap,
		    sizeof(*grown));

		if (grown == NULL)
			return vm_error_nomem(err);
		usage->files = grown;
	}
	usage->files[usage->count++] = *file;
	return 0;
}

static int add(struct vm_usage *usage, int dirfd, const char *name, int depth,
    struct vm_error *err);

/* All in the directory; fd is closed. */
static int
add_directory(struct vm_usage *usage, int fd, int depth, struct vm_error *err)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	int result = 0;

	if (dir == NULL) {
		close(fd);
		return vm_error_errno(err, errno, "directory");
	}
	while (result == 0 && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			result = add(usage, dirfd(dir), entry->d_name,
			    depth + 1, err);
	closedir(dir);
	return result;
}

static int
add(struct vm_usage *usage, int dirfd, const char *name, int depth,
    struct vm_error *err)
{
	struct vm_usage_file file;
	struct stat st;
	int fd;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 :
					 vm_error_errno(err, errno, "%s", name);
	if (S_ISDIR(st.st_mode)) {
		if (depth >= DEPTH_MAX)
			return 0;
		fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd == -1)
			return errno == ENOENT ?
			    0 :
			    vm_error_errno(err, errno, "%s", name);
		return add_directory(usage, fd, depth, err);
	}
	file = (struct vm_usage_file){ st.st_ino, st.st_nlink,
		(uint64_t)st.st_blocks * BLOCK };
	return S_ISREG(st.st_mode) ? append(usage, &file, err) : 0;
}

int
vm_usage_add(struct vm_usage *usage, int dirfd, const char *name,
    struct vm_error *err)
{
	return add(usage, dirfd, name, 0, err);
}

int
vm_usage_add_all(struct vm_usage *usage, const struct vm_usage *more,
    struct vm_error *err)
{
	for (size_t i = 0; i < more->count; i++)
		if (append(usage, &more->files[i], err) == -1)
			return -1;
	return 0;
}

void
vm_usage_release(struct vm_usage *usage)
{
	free(usage->files);
	*usage = (struct vm_usage){ 0 };
}

size_t
vm_usage_names(const struct vm_usage *usage, ino_t inode)
{
	size_t count = 0;

	for (size_t i = 0; i < usage->count; i++)
		count += usage->files[i].inode == inode;
	return count;
}

static int
compare(const void *a, const void *b)
{
	const struct vm_usage_file *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

int
vm_usage_total(const struct vm_usage *usage, uint64_t *bytes,
    struct vm_error *err)
{
	VM_CLEAN_USAGE struct vm_usage sorted = { 0 };

	if (vm_usage_add_all(&sorted, usage, err) == -1)
		return -1;
	if (sorted.count > 0)
		qsort(sorted.files, sorted.count, sizeof(*sorted.files),
		    compare);
	*bytes = 0;
	for (size_t i = 0; i < sorted.count; i++)
		if (i == 0 ||
		    sorted.files[i].inode != sorted.files[i - 1].inode)
			*bytes += sorted.files[i].bytes;
	return 0;
}
