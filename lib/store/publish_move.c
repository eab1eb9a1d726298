#include "lib/store/publish.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/store/durable.h"

static int
sync_dir(struct vm_store *store, enum vm_store_dir dir, struct vm_error *err)
{
	VM_CLEAN_FD int fresh = -1;

	if (vm_durable_fsync_dir(store->durable, store->fds[dir]) == 0)
		return 0;
	fresh = openat(store->root_fd, vm_store_dir_name(dir),
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fresh != -1 && vm_durable_fsync_dir(store->durable, fresh) == 0)
		return 0;
	return vm_error_errno(err, errno, "%s: fsync", vm_store_dir_name(dir));
}

int
vm_publish_settle(struct vm_store *store, enum vm_store_dir dir,
    enum vm_store_dir to_dir, struct vm_error *err)
{
	if (sync_dir(store, to_dir, err) == -1)
		return -1;
	return dir == to_dir ? 0 : sync_dir(store, dir, err);
}

int
vm_publish_move_unsynced(struct vm_store *store, enum vm_store_dir dir,
    const char *name, enum vm_store_dir to_dir, const char *to_name,
    struct vm_error *err)
{
	if (vm_durable_rename(store->durable, store->fds[dir], name,
		store->fds[to_dir], to_name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return vm_error_set(err, VM_E_EXISTS, "exists",
		    "%s: already in %s", to_name, vm_store_dir_name(to_dir));
	return vm_error_errno(err, errno, "%s/%s to %s/%s",
	    vm_store_dir_name(dir), name, vm_store_dir_name(to_dir), to_name);
}

static int
settle_or_undo(struct vm_store *store, enum vm_store_dir dir, const char *name,
    enum vm_store_dir to_dir, const char *to_name, struct vm_error *err)
{
	if (vm_publish_settle(store, dir, to_dir, err) == 0)
		return 0;
	if (vm_publish_move_unsynced(store, to_dir, to_name, dir, name, NULL) ==
	    -1)
		vm_log(VM_LOG_WARN, "%s: cannot be taken back", to_name);
	return -1;
}

static int
move(struct vm_store *store, enum vm_store_dir dir, const char *name,
    enum vm_store_dir to_dir, const char *to_name, struct vm_error *err)
{
	if (vm_publish_move_unsynced(store, dir, name, to_dir, to_name, err) ==
	    -1)
		return -1;
	return settle_or_undo(store, dir, name, to_dir, to_name, err);
}

static int
exchange(struct vm_store *store, enum vm_store_dir dir, const char *name,
    enum vm_store_dir other_dir, const char *other_name, struct vm_error *err)
{
	if (vm_durable_rename(store->durable, store->fds[dir], name,
		store->fds[other_dir], other_name, RENAME_EXCHANGE) == 0)
		return 0;
	return vm_error_errno(err, errno, "%s/%s with %s/%s",
	    vm_store_dir_name(dir), name, vm_store_dir_name(other_dir),
	    other_name);
}

int
vm_publish_exchange(struct vm_store *store, enum vm_store_dir dir,
    const char *name, enum vm_store_dir other_dir, const char *other_name,
    struct vm_error *err)
{
	if (exchange(store, dir, name, other_dir, other_name, err) == -1)
		return -1;
	if (vm_publish_settle(store, dir, other_dir, err) == 0)
		return 0;
	if (exchange(store, dir, name, other_dir, other_name, NULL) == -1)
		vm_log(VM_LOG_WARN, "%s: cannot be changed back", name);
	return -1;
}

/* --- the trash -------------------------------------------------------------*/

uint64_t
vm_publish_newest(char *const *names, const char *wish)
{
	size_t len = strlen(wish), low = 0, high = 0;
	uint64_t newest = 0, n;

	while (names[high] != NULL)
		high++;
	/* "a" may be followed by "a-b", "a.1": begin where wish would stand */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strncmp(names[middle], wish, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; names[low] != NULL && strncmp(names[low], wish, len) == 0; low++)
		if (names[low][len] == '.' &&
		    vm_size_parse_number(names[low] + len + 1, 1, UINT32_MAX,
			&n, NULL) == 0 &&
		    n > newest)
			newest = n;
	return newest;
}

int
vm_publish_keep_unsynced(struct vm_store *store, enum vm_store_dir dir,
    const char *name, enum vm_store_dir keep_dir, const char *wish,
    uint64_t above, char **kept_name, struct vm_error *err)
{
	struct vm_error failure;

	do {
		VM_CLEAN_FREE char *target = vm_buf_printf(err, "%s.%ju", wish,
		    (uintmax_t)++above);

		if (target == NULL)
			return -1;
		if (vm_publish_move_unsynced(store, dir, name, keep_dir, target,
			&failure) == 0) {
			*kept_name = VM_TAKE(target);
			return 0;
		}
	} while (failure.kind == VM_E_EXISTS);
	if (err != NULL)
		*err = failure;
	return -1;
}

int
vm_publish_keep(struct vm_store *store, enum vm_store_dir dir, const char *name,
    enum vm_store_dir keep_dir, char **kept_name, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, keep_dir, err);
	VM_CLEAN_FREE char *kept = NULL;

	if (names == NULL ||
	    vm_publish_keep_unsynced(store, dir, name, keep_dir, name,
		vm_publish_newest(names, name), &kept, err) == -1 ||
	    settle_or_undo(store, dir, name, keep_dir, kept, err) == -1)
		return -1;
	if (kept_name != NULL)
		*kept_name = VM_TAKE(kept);
	return 0;
}

int
vm_publish_trash(struct vm_store *store, enum vm_store_dir dir,
    const char *name, char **trash_name, struct vm_error *err)
{
	return vm_publish_keep(store, dir, name, VM_STORE_TRASH, trash_name,
	    err);
}

int
vm_publish_untrash(struct vm_store *store, const char *trash_name,
    enum vm_store_dir dir, const char *name, struct vm_error *err)
{
	return move(store, VM_STORE_TRASH, trash_name, dir, name, err);
}

/* --- sweeping --------------------------------------------------------------*/

/* Is fd, locked by us, still what tmp/name stands for? */
static bool
is_litter(int tmp_fd, const char *name, int fd, const struct stat *mine)
{
	struct stat named;

	return flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	    fstatat(tmp_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    mine->st_ino == named.st_ino && mine->st_dev == named.st_dev;
}

/* 1: removed; 0: in use, or gone meanwhile; -1: errno. */
static int
sweep_one(struct vm_store *store, const char *name)
{
	int tmp_fd = store->fds[VM_STORE_TMP];
	VM_CLEAN_FD int fd = openat(tmp_fd, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int result;

	if (fd == -1 || fstat(fd, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!is_litter(tmp_fd, name, fd, &st))
		return 0;
	if (S_ISDIR(st.st_mode))
		result = vm_durable_remove_tree(store->durable, tmp_fd, name,
		    VM_TAKE_FD(fd));
	else
		result = vm_durable_unlink(store->durable, tmp_fd, name, 0);
	return result == 0 ? 1 : -1;
}

int
vm_publish_sweep(struct vm_store *store, size_t *count, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_TMP, err);
	size_t removed = 0;
	int failed = 0;

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		int result = sweep_one(store, names[i]);

		if (result == 1)
			removed++;
		else if (result == -1 && failed++ == 0)
			vm_error_errno(err, errno, "tmp/%s", names[i]);
	}
	if (count != NULL)
		*count = removed;
	return failed == 0 ? 0 : -1;
}
