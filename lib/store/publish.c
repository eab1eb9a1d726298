#include "lib/store/publish.h"

#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/store/durable.h"

/* --- building --------------------------------------------------------------*/

int
vm_publish_make_name(char name[VM_PUBLISH_NAME], struct vm_error *err)
{
	uint64_t random;
	ssize_t n;

	do
		n = getrandom(&random, sizeof(random), 0);
	while (n == -1 && errno == EINTR);
	if (n != sizeof(random))
		return vm_error_errno(err, errno, "random bytes");
	snprintf(name, VM_PUBLISH_NAME, "%016" PRIx64, random);
	return 0;
}

/* 1: the new directory is ours; 0: a sweeper was faster; -1: error. */
static int
claim(const struct vm_publish *publish, int tmp_fd, struct vm_error *err)
{
	struct stat mine, named;

	if (flock(publish->dir_fd, LOCK_EX | LOCK_NB) == -1)
		return errno == EWOULDBLOCK ?
		    0 :
		    vm_error_errno(err, errno, "tmp/%s", publish->name);
	if (fstat(publish->dir_fd, &mine) == -1)
		return vm_error_errno(err, errno, "tmp/%s", publish->name);
	if (fstatat(tmp_fd, publish->name, &named, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ?
		    0 :
		    vm_error_errno(err, errno, "tmp/%s", publish->name);
	return mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

/*
 * A batch needs a descriptor for each object, and the usual soft limit of 1,024
 * is not meant for programs that do without select(2).
 */
static int
open_more(struct vm_durable *durable, int tmp_fd, const char *name)
{
	int fd = vm_durable_open(durable, tmp_fd, name, O_RDONLY | O_DIRECTORY,
	    0);
	struct rlimit limit;

	if (fd != -1 || errno != EMFILE)
		return fd;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
			return vm_durable_open(durable, tmp_fd, name,
			    O_RDONLY | O_DIRECTORY, 0);
	}
	errno = EMFILE;
	return -1;
}

/* As claim(). */
static int
make(struct vm_publish *publish, int tmp_fd, struct vm_error *err)
{
	struct vm_durable *durable = publish->store->durable;
	int result;

	if (vm_publish_make_name(publish->name, err) == -1)
		return -1;
	if (vm_durable_mkdir(durable, tmp_fd, publish->name, 0750) == -1)
		return errno == EEXIST ?
		    0 :
		    vm_error_errno(err, errno, "tmp/%s", publish->name);
	publish->dir_fd = open_more(durable, tmp_fd, publish->name);
	if (publish->dir_fd == -1 && errno == ENOENT)
		return 0;
	if (publish->dir_fd == -1) {
		vm_error_errno(err, errno, "tmp/%s", publish->name);
		unlinkat(tmp_fd, publish->name, AT_REMOVEDIR);
		return -1;
	}
	result = claim(publish, tmp_fd, err);
	if (result != 1)
		close(publish->dir_fd);
	return result;
}

int
vm_publish_begin(struct vm_store *store, struct vm_publish *publish,
    struct vm_error *err)
{
	struct vm_publish made = { .store = store,
		.dir_fd = -1,
		.at = VM_STORE_TMP,
		.durable = true };
	int result;

	*publish = (struct vm_publish){ .dir_fd = -1 };
	do
		result = make(&made, store->fds[VM_STORE_TMP], err);
	while (result == 0);
	if (result == -1)
		return -1;
	*publish = made;
	return 0;
}

int
vm_publish_create(struct vm_publish *publish, const char *file,
    struct vm_error *err)
{
	int fd = vm_durable_open(publish->store->durable, publish->dir_fd, file,
	    O_RDWR | O_CREAT | O_EXCL, 0600);

	return fd != -1 ? fd : vm_error_errno(err, errno, "%s", file);
}

int
vm_publish_write(struct vm_publish *publish, const char *file, mode_t mode,
    const void *data, size_t len, struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_publish_create(publish, file, err);

	if (fd == -1)
		return -1;
	if (vm_durable_write(publish->store->durable, fd, data, len) == -1)
		return vm_error_errno(err, errno, "%s", file);
	if (vm_publish_seal(publish, fd, mode, err) == -1)
		return vm_error_wrap(err, "%s", file);
	return 0;
}

int
vm_publish_link(struct vm_publish *publish, int dirfd, const char *from,
    const char *file, struct vm_error *err)
{
	if (vm_durable_link(publish->store->durable, dirfd, from,
		publish->dir_fd, file) == 0)
		return 0;
	if (errno == EMLINK)
		return vm_error_set(err, VM_E_SYSTEM, "too_many_links",
		    "%s: no further clone of it on this file system: it "
		    "allows no more hard links",
		    from);
	if (errno == EXDEV)
		return vm_error_set(err, VM_E_EXISTS, "cross_device",
		    "%s: the store is spread over several file systems, "
		    "which hard links cannot cross",
		    from);
	return vm_error_errno(err, errno, "%s", from);
}

static bool
is_made(const char *name, const char *const *made)
{
	for (; *made != NULL; made++) {
		if (strcmp(name, *made) == 0)
			return true;
	}
	return false;
}

int
vm_publish_link_rest(struct vm_publish *publish, int dirfd,
    const char *const *made, struct vm_error *err)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int result = 0;

	if (dir == NULL) {
		vm_error_errno(err, errno, "directory");
		vm_clean_fd(&fd);
		return -1;
	}
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;
		struct stat st;

		if (is_made(name, made) ||
		    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    !S_ISREG(st.st_mode))
			continue;
		result = vm_publish_link(publish, dirfd, name, name, err);
	}
	closedir(dir);
	return result;
}

int
vm_publish_seal(struct vm_publish *publish, int fd, mode_t mode,
    struct vm_error *err)
{
	if (fchmod(fd, mode) == -1)
		return vm_error_errno(err, errno, "mode");
	if (publish->durable && !publish->batched &&
	    vm_durable_fsync(publish->store->durable, fd) == -1)
		return vm_error_errno(err, errno, "fsync");
	return 0;
}

void
vm_publish_abort(struct vm_publish *publish)
{
	struct vm_store *store = publish->store;

	if (store == NULL)
		return;
	/* what cannot be removed is litter, which a sweep takes */
	if (vm_durable_remove_tree(store->durable, store->fds[publish->at],
		publish->name, publish->dir_fd) == -1)
		vm_log(VM_LOG_INFO, "%s: left behind: %m", publish->name);
	*publish = (struct vm_publish){ .dir_fd = -1 };
}

/* --- making visible ----------------------------------------------------------
 */

/* Everything of it is on the disk, but for its name. */
static int
sync_objects(struct vm_publish *publishes, struct vm_error *results,
    size_t count, struct vm_error *err)
{
	struct vm_store *store = publishes[0].store;
	bool batched = false;

	for (size_t i = 0; i < count; i++) {
		struct vm_publish *p = &publishes[i];

		if (p->durable && p->batched)
			batched = true;
		else if (p->durable &&
		    vm_durable_fsync_dir(store->durable, p->dir_fd) == -1)
			vm_error_errno(&results[i], errno, "fsync");
	}
	if (batched && vm_durable_syncfs(store->durable, store->root_fd) == -1)
		return vm_error_errno(err, errno, "syncfs");
	return 0;
}

static int
show(struct vm_publish *p, enum vm_store_dir dir, const char *name,
    enum vm_publish_mode mode, struct vm_error *err)
{
	struct vm_store *store = p->store;

	if (vm_durable_rename(store->durable, store->fds[p->at], p->name,
		store->fds[dir], name,
		mode == VM_PUBLISH_NEW ? RENAME_NOREPLACE : RENAME_EXCHANGE) ==
	    0)
		return 0;
	if (errno == EEXIST)
		return vm_error_set(err, VM_E_EXISTS, "exists",
		    "%s: already in %s", name, vm_store_dir_name(dir));
	return vm_error_errno(err, errno, "%s/%s", vm_store_dir_name(dir),
	    name);
}

/* Take back what show() did. */
static void
hide(struct vm_publish *p, enum vm_store_dir dir, const char *name,
    enum vm_publish_mode mode)
{
	struct vm_store *store = p->store;

	if (vm_durable_rename(store->durable, store->fds[dir], name,
		store->fds[p->at], p->name,
		mode == VM_PUBLISH_NEW ? RENAME_NOREPLACE : RENAME_EXCHANGE) ==
	    -1)
		vm_log(VM_LOG_WARN, "%s: cannot be taken back: %m", name);
}

/* After an exchange the old object has the new one's former name. */
static void
finish(struct vm_publish *p, enum vm_publish_mode mode)
{
	int tmp_fd = p->store->fds[VM_STORE_TMP], old_fd;

	close(p->dir_fd);
	if (mode == VM_PUBLISH_REPLACE) {
		old_fd = openat(tmp_fd, p->name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* what stays is litter, which a sweep takes */
		if (old_fd != -1 &&
		    vm_durable_remove_tree(p->store->durable, tmp_fd, p->name,
			old_fd) == -1)
			vm_log(VM_LOG_INFO, "%s: left behind: %m", p->name);
	}
	*p = (struct vm_publish){ .dir_fd = -1 };
}

/* Show all that are whole; *shown: at least one that is to last. */
static void
show_all(struct vm_publish *publishes, enum vm_store_dir dir,
    const char *const *names, enum vm_publish_mode mode,
    struct vm_error *results, size_t count, bool *shown)
{
	*shown = false;
	for (size_t i = 0; i < count; i++) {
		if (vm_error_is_set(&results[i]))
			continue;
		if (show(&publishes[i], dir, names[i], mode, &results[i]) == 0)
			*shown = *shown || publishes[i].durable;
	}
}

int
vm_publish_commit_all(struct vm_publish *publishes, enum vm_store_dir dir,
    const char *const *names, enum vm_publish_mode mode,
    struct vm_error *results, size_t count, struct vm_error *err)
{
	struct vm_error cause = { 0 };
	bool shown = false;

	for (size_t i = 0; i < count; i++)
		vm_error_clear(&results[i]);
	if (count > 0 && sync_objects(publishes, results, count, &cause) == 0)
		show_all(publishes, dir, names, mode, results, count, &shown);
	if (shown &&
	    vm_publish_settle(publishes[0].store, VM_STORE_TMP, dir, &cause) ==
		-1)
		for (size_t i = 0; i < count; i++)
			if (!vm_error_is_set(&results[i]))
				hide(&publishes[i], dir, names[i], mode);
	for (size_t i = 0; i < count; i++) {
		if (vm_error_is_set(&cause))
			results[i] = cause;
		else if (!vm_error_is_set(&results[i]))
			finish(&publishes[i], mode);
	}
	if (!vm_error_is_set(&cause))
		return 0;
	if (err != NULL)
		*err = cause;
	return -1;
}

int
vm_publish_commit(struct vm_publish *publish, enum vm_store_dir dir,
    const char *name, enum vm_publish_mode mode, struct vm_error *err)
{
	struct vm_error result;

	if (vm_publish_commit_all(publish, dir, &name, mode, &result, 1, err) ==
	    -1)
		return -1;
	if (!vm_error_is_set(&result))
		return 0;
	if (err != NULL)
		*err = result;
	return -1;
}
