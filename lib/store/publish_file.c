#include "lib/store/publish.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/durable.h"

static int
open_nameless(struct vm_store *store, int dirfd, struct vm_error *err)
{
	int fd = vm_durable_open(store->durable, dirfd, ".", O_RDWR | O_TMPFILE,
	    0600);

	if (fd == -1 && errno == EOPNOTSUPP)
		return vm_error_set(err, VM_E_CONFIG, "no_tmpfile",
		    "%s: the file system has no nameless files (O_TMPFILE)",
		    store->root);
	return fd != -1 ? fd : vm_error_errno(err, errno, "temporary file");
}

static int
seal(struct vm_store *store, int fd, mode_t mode, const char *name,
    struct vm_error *err)
{
	if (fchmod(fd, mode) == -1)
		return vm_error_errno(err, errno, "%s: mode", name);
	if (vm_durable_fsync(store->durable, fd) == -1)
		return vm_error_errno(err, errno, "%s: fsync", name);
	return 0;
}

/* Link the nameless file as dirfd/name where nothing is. */
static int
link_new(struct vm_store *store, int fd, int dirfd, const char *name,
    struct vm_error *err)
{
	if (vm_durable_link_fd(store->durable, fd, dirfd, name) == 0)
		return 0;
	if (errno == EEXIST)
		return vm_error_set(err, VM_E_EXISTS, "exists",
		    "%s: already there", name);
	return vm_error_errno(err, errno, "%s", name);
}

/*
 * Put the nameless file in the place of dirfd/name: it gets a name in tmp/
 * (locked against sweepers from before it has one) and is renamed from there.
 */
static int
link_over(struct vm_store *store, int fd, int dirfd, const char *name,
    struct vm_error *err)
{
	int tmp_fd = store->fds[VM_STORE_TMP];
	char temporary[VM_PUBLISH_NAME];

	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return vm_error_errno(err, errno, "%s: lock", name);
	if (vm_publish_make_name(temporary, err) == -1 ||
	    link_new(store, fd, tmp_fd, temporary, err) == -1)
		return -1;
	if (vm_durable_rename(store->durable, tmp_fd, temporary, dirfd, name,
		0) == -1) {
		vm_error_errno(err, errno, "%s", name);
		unlinkat(tmp_fd, temporary, 0);
		return -1;
	}
	return flock(fd, LOCK_UN) == 0 ?
	    0 :
	    vm_error_errno(err, errno, "%s: unlock", name);
}

/*
 * Sync the name; a new one that will not last is taken away again.  (A
 * replaced file cannot be taken back: then old or new may come after a crash,
 * each of them complete.)
 */
static int
settle(struct vm_store *store, int dirfd, const char *name, bool replace,
    struct vm_error *err)
{
	VM_CLEAN_FD int fresh = -1;

	if (vm_durable_fsync_dir(store->durable, dirfd) == 0)
		return 0;
	fresh = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fresh != -1 && vm_durable_fsync_dir(store->durable, fresh) == 0)
		return 0;
	vm_error_errno(err, errno, "%s: fsync of its directory", name);
	if (!replace)
		unlinkat(dirfd, name, 0);
	return -1;
}

int
vm_publish_file(struct vm_store *store, int dirfd, const char *name,
    mode_t mode, const void *data, size_t len, bool replace,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = open_nameless(store, dirfd, err);

	if (fd == -1)
		return vm_error_wrap(err, "%s", name);
	if (vm_durable_write(store->durable, fd, data, len) == -1)
		return vm_error_errno(err, errno, "%s", name);
	if (seal(store, fd, mode, name, err) == -1)
		return -1;
	if ((replace ? link_over : link_new)(store, fd, dirfd, name, err) == -1)
		return -1;
	return settle(store, dirfd, name, replace, err);
}

/* ---- outside of the store ---- */

/* Where there are no nameless files: a name that nobody else has. */
static int
create_named(struct vm_outside *outside, struct vm_error *err)
{
	outside->temporary[0] = '.';
	if (vm_publish_make_name(outside->temporary + 1, err) == -1)
		return -1;
	outside->fd = vm_durable_open(outside->store->durable, outside->dir_fd,
	    outside->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (outside->fd != -1)
		return 0;
	outside->temporary[0] = '\0';
	return vm_error_errno(err, errno, "temporary file");
}

int
vm_publish_outside_begin(struct vm_store *store, int dir_fd,
    struct vm_outside *outside, struct vm_error *err)
{
	struct vm_error why = { 0 };

	*outside = (struct vm_outside){ .store = store, .dir_fd = dir_fd };
	outside->fd = open_nameless(store, dir_fd, &why);
	if (outside->fd != -1)
		return 0;
	if (strcmp(why.code, "no_tmpfile") == 0)
		return create_named(outside, err);
	if (err != NULL)
		*err = why;
	return -1;
}

/* Rename the temporary file; a name that is taken is replaced or refused. */
static int
rename_named(struct vm_outside *outside, const char *name, bool replace,
    struct vm_error *err)
{
	struct vm_durable *durable = outside->store->durable;
	int dir_fd = outside->dir_fd;
	int result = vm_durable_rename(durable, dir_fd, outside->temporary,
	    dir_fd, name, replace ? 0 : RENAME_NOREPLACE);

	/* NFS cannot do that; the name of a hard link is never taken twice */
	if (result == -1 && !replace && errno == EINVAL) {
		result = vm_durable_link(durable, dir_fd, outside->temporary,
		    dir_fd, name);
		if (result == 0)
			unlinkat(dir_fd, outside->temporary, 0);
	}
	if (result == -1 && errno == EEXIST)
		return vm_error_set(err, VM_E_EXISTS, "exists",
		    "%s: already there", name);
	if (result == -1)
		return vm_error_errno(err, errno, "%s", name);
	outside->temporary[0] = '\0';
	return 0;
}

int
vm_publish_outside_commit(struct vm_outside *outside, const char *name,
    mode_t mode, bool replace, struct vm_error *err)
{
	struct vm_store *store = outside->store;
	char temporary[VM_PUBLISH_NAME + 1] = ".";

	if (seal(store, outside->fd, mode, name, err) == -1)
		return -1;
	if (outside->temporary[0] == '\0' && !replace) {
		if (link_new(store, outside->fd, outside->dir_fd, name, err) ==
		    -1)
			return -1;
		return settle(store, outside->dir_fd, name, false, err);
	}
	if (outside->temporary[0] == '\0') {
		if (vm_publish_make_name(temporary + 1, err) == -1 ||
		    link_new(store, outside->fd, outside->dir_fd, temporary,
			err) == -1)
			return -1;
		memcpy(outside->temporary, temporary, sizeof(temporary));
	}
	if (rename_named(outside, name, replace, err) == -1)
		return -1;
	return settle(store, outside->dir_fd, name, replace, err);
}

void
vm_publish_outside_abort(struct vm_outside *outside)
{
	if (outside->store == NULL)
		return;
	if (outside->temporary[0] != '\0')
		unlinkat(outside->dir_fd, outside->temporary, 0);
	vm_clean_fd(&outside->fd);
	*outside = (struct vm_outside){ .fd = -1 };
}

int
vm_publish_file_outside(struct vm_store *store, int dirfd, const char *name,
    mode_t mode, const void *data, size_t len, struct vm_error *err)
{
	VM_CLEAN_OUTSIDE struct vm_outside outside = { 0 };

	if (vm_publish_outside_begin(store, dirfd, &outside, err) == -1)
		return vm_error_wrap(err, "%s", name);
	if (vm_durable_write(store->durable, outside.fd, data, len) == -1)
		return vm_error_errno(err, errno, "%s", name);
	return vm_publish_outside_commit(&outside, name, mode, true, err);
}

/* ---- inside ---- */

int
vm_publish_tmpfile(struct vm_store *store, enum vm_store_dir dir,
    struct vm_error *err)
{
	return open_nameless(store, store->fds[dir], err);
}

int
vm_publish_tmpfile_commit(struct vm_store *store, int fd, enum vm_store_dir dir,
    const char *name, mode_t mode, struct vm_error *err)
{
	int dirfd = store->fds[dir];

	if (seal(store, fd, mode, name, err) == -1 ||
	    link_new(store, fd, dirfd, name, err) == -1)
		return -1;
	return settle(store, dirfd, name, false, err);
}
