#include "lib/store/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
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
vm_settle(struct vm_store *store, enum vm_store_dir to, enum vm_store_dir from,
    struct vm_error *err)
{
	if (sync_dir(store, to, err) == -1)
		return -1;
	return to == from ? 0 : sync_dir(store, from, err);
}

/* The highest n of the names wish.n. */
static int
find_highest(const struct vm_store *store, enum vm_store_dir dir,
    const char *wish, uint64_t *highest, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, dir, err);
	size_t len = strlen(wish);
	uint64_t n;

	if (names == NULL)
		return -1;
	*highest = 0;
	for (size_t i = 0; names[i] != NULL; i++)
		if (strncmp(names[i], wish, len) == 0 && names[i][len] == '.' &&
		    vm_size_parse_number(names[i] + len + 1, 1, UINT32_MAX, &n,
			NULL) == 0 &&
		    n > *highest)
			*highest = n;
	return 0;
}

int
vm_settle_rename_kept(struct vm_store *store, enum vm_store_dir dir,
    const char *name, enum vm_store_dir keep_dir, const char *wish, char **kept,
    struct vm_error *err)
{
	uint64_t n;

	if (find_highest(store, keep_dir, wish, &n, err) == -1)
		return -1;
	for (;;) {
		VM_CLEAN_FREE char *target = vm_buf_printf(err, "%s.%ju", wish,
		    (uintmax_t)++n);

		if (target == NULL)
			return -1;
		if (vm_durable_rename(store->durable, store->fds[dir], name,
			store->fds[keep_dir], target, RENAME_NOREPLACE) == 0) {
			*kept = VM_TAKE(target);
			return 0;
		}
		if (errno != EEXIST)
			return vm_error_errno(err, errno, "%s", name);
	}
}
