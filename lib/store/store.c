#include "lib/store/store.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/store/durable.h"
#include "lib/store/root.h"

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static const char *const dir_names[VM_STORE_DIRS] = {
	[VM_STORE_IMAGES] = "images",
	[VM_STORE_LAYERS] = "layers",
	[VM_STORE_VMS] = "vms",
	[VM_STORE_VOLUMES] = "volumes",
	[VM_STORE_FILES] = "files",
	[VM_STORE_INCOMING] = "incoming",
	[VM_STORE_TMP] = "tmp",
	[VM_STORE_LOCKS] = "locks",
	[VM_STORE_TRASH] = "trash",
	[VM_STORE_QUARANTINE] = "quarantine",
	[VM_STORE_ALIASES] = "aliases",
	[VM_STORE_OLD] = "old",
};

const char *
vm_store_dir_name(enum vm_store_dir dir)
{
	return dir_names[dir];
}

/* --- where it is -----------------------------------------------------------*/

static const char *
environment(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The root's path as wished for, without slashes at its end. */
static char *
choose_root(const char *root, struct vm_error *err)
{
	const char *data = environment("XDG_DATA_HOME");
	const char *home = environment("HOME");
	char *path = NULL;

	if (root == NULL || root[0] == '\0')
		root = environment("VMPIPE_ROOT");
	if (root == NULL && geteuid() == 0)
		root = "/var/lib/vmpipe";
	if (root != NULL)
		path = vm_buf_printf(err, "%s", root);
	else if (data != NULL && data[0] == '/')
		path = vm_buf_printf(err, "%s/vmpipe", data);
	else if (home != NULL && home[0] == '/')
		path = vm_buf_printf(err, "%s/.local/share/vmpipe", home);
	else {
		vm_error_set(err, VM_E_CONFIG, "no_home",
		    "no store: neither VMPIPE_ROOT nor HOME is a path");
		vm_error_hint(err, "export VMPIPE_ROOT=DIR");
	}
	if (path != NULL)
		for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
			path[n - 1] = '\0';
	return path;
}

static int
sync_parent(struct vm_durable *durable, const char *path)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);
	VM_CLEAN_FD int fd = -1;

	if (len >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(parent, path, len);
	parent[len] = '\0';
	fd = open(slash == NULL ? "." :
		len == 0	? "/" :
				  parent,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd == -1 ? -1 : vm_durable_fsync_dir(durable, fd);
}

/* Make the directory and those above it that are missing. */
static int
make_path(struct vm_durable *durable, char *path)
{
	char *slash = strrchr(path, '/');

	if (vm_durable_mkdir(durable, AT_FDCWD, path, 0750) == 0)
		return sync_parent(durable, path);
	if (errno == EEXIST)
		return 0;
	if (errno != ENOENT || slash == NULL || slash == path)
		return -1;
	*slash = '\0';
	if (make_path(durable, path) == -1)
		return -1;
	*slash = '/';
	if (vm_durable_mkdir(durable, AT_FDCWD, path, 0750) == -1)
		return errno == EEXIST ? 0 : -1;
	return sync_parent(durable, path);
}

/* --- opening ---------------------------------------------------------------*/

/* Does the directory hold nothing that is not ours? */
static int
is_empty(int root_fd, bool *empty, struct vm_error *err)
{
	int fd = openat(root_fd, ".", OPEN_DIR);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL) {
		int saved = errno;

		if (fd != -1)
			close(fd);
		return vm_error_errno(err, saved, "the store");
	}
	*empty = true;
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    strcmp(entry->d_name, "lost+found") != 0)
			*empty = false;
	closedir(dir);
	return 0;
}

static int
no_store(const char *path, struct vm_error *err)
{
	vm_error_set(err, VM_E_NO_INPUT, "no_store", "%s: no store there yet",
	    path);
	return vm_error_hint(err, "vmfetch SOURCE");
}

/* A directory with none of ours in it: may it become a store? */
static int
check_virgin(const struct vm_store *store, bool create, struct vm_error *err)
{
	bool empty = false;

	for (int i = 0; i < VM_STORE_DIRS; i++)
		if (store->fds[i] != -1)
			return 0;
	if (is_empty(store->root_fd, &empty, err) == -1)
		return -1;
	if (!empty)
		return vm_root_refuse(store->root,
		    "is a directory that holds something else", err);
	if (!create)
		return no_store(store->root, err);
	return 0;
}

static int
open_dir(struct vm_store *store, int i, bool make, struct vm_error *err)
{
	VM_CLEAN_FREE char *path = vm_store_path(store, i, NULL, NULL, err);

	if (path == NULL)
		return -1;
	if (make &&
	    vm_durable_mkdir(store->durable, store->root_fd, dir_names[i],
		0750) == -1 &&
	    errno != EEXIST)
		return vm_error_errno(err, errno, "%s", path);
	store->fds[i] = openat(store->root_fd, dir_names[i], OPEN_DIR);
	if (store->fds[i] == -1 && errno == ENOENT && !make)
		return 0;
	if (store->fds[i] == -1)
		return vm_root_explain(store->root_fd, dir_names[i], path,
		    errno, err);
	return vm_root_check_owner(store->fds[i], path, err);
}

static int
open_dirs(struct vm_store *store, bool create, struct vm_error *err)
{
	bool made = false;

	for (int i = 0; i < VM_STORE_DIRS; i++)
		if (open_dir(store, i, false, err) == -1)
			return -1;
	if (check_virgin(store, create, err) == -1)
		return -1;
	for (int i = 0; i < VM_STORE_DIRS; i++) {
		if (store->fds[i] != -1)
			continue;
		if (open_dir(store, i, true, err) == -1)
			return -1;
		made = true;
	}
	if (made && vm_durable_fsync_dir(store->durable, store->root_fd) == -1)
		return vm_error_errno(err, errno, "%s", store->root);
	return 0;
}

static int
open_root(struct vm_store *store, char *path, bool create, struct vm_error *err)
{
	store->root_fd = open(path, OPEN_DIR);
	if (store->root_fd == -1 && errno == ENOENT && create) {
		if (make_path(store->durable, path) == -1)
			return vm_error_errno(err, errno,
			    "the store %s cannot be made", path);
		store->root_fd = open(path, OPEN_DIR);
	}
	if (store->root_fd == -1 && errno == ENOENT && !create)
		return no_store(path, err);
	if (store->root_fd == -1)
		return vm_root_explain(AT_FDCWD, path, path, errno, err);
	store->root = realpath(path, NULL);
	if (store->root == NULL)
		return vm_error_errno(err, errno, "the store %s", path);
	if (vm_root_check_type(store->root_fd, path, err) == -1 ||
	    vm_root_check_owner(store->root_fd, path, err) == -1)
		return -1;
	return open_dirs(store, create, err);
}

struct vm_store *
vm_store_open(const char *root, bool create, struct vm_error *err)
{
	VM_CLEAN_FREE char *path = choose_root(root, err);
	struct vm_store *store = NULL;

	if (path == NULL)
		return NULL;
	store = calloc(1, sizeof(*store));
	if (store == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	store->root_fd = -1;
	for (int i = 0; i < VM_STORE_DIRS; i++)
		store->fds[i] = -1;
	if (vm_durable_load(&store->durable, err) == 0 &&
	    open_root(store, path, create, err) == 0)
		return store;
	vm_store_close(store);
	return NULL;
}

void
vm_store_close(struct vm_store *store)
{
	if (store == NULL)
		return;
	for (int i = 0; i < VM_STORE_DIRS; i++)
		if (store->fds[i] != -1)
			close(store->fds[i]);
	if (store->root_fd != -1)
		close(store->root_fd);
	vm_durable_free(store->durable);
	free(store->root);
	free(store);
}

void
vm_store_clean(struct vm_store **store)
{
	vm_store_close(*store);
}

/* --- what is in it ---------------------------------------------------------*/

char *
vm_store_path(const struct vm_store *store, enum vm_store_dir dir,
    const char *name, const char *file, struct vm_error *err)
{
	return vm_buf_printf(err, "%s/%s%s%s%s%s", store->root, dir_names[dir],
	    name == NULL ? "" : "/", name == NULL ? "" : name,
	    file == NULL ? "" : "/", file == NULL ? "" : file);
}

int
vm_store_open_object(const struct vm_store *store, enum vm_store_dir dir,
    const char *name, struct vm_error *err)
{
	int fd;

	if (name[0] == '.' || name[0] == '\0' || strchr(name, '/') != NULL)
		return vm_error_set(err, VM_E_NO_INPUT, "not_found",
		    "%s: no such name in %s", name, dir_names[dir]);
	fd = openat(store->fds[dir], name, OPEN_DIR);
	if (fd == -1 && errno == ENOENT)
		return vm_error_set(err, VM_E_NO_INPUT, "not_found",
		    "%s: not in %s/%s", name, store->root, dir_names[dir]);
	if (fd == -1)
		return vm_error_errno(err, errno, "%s/%s/%s", store->root,
		    dir_names[dir], name);
	return fd;
}

static int
compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static int
read_names(DIR *dir, char ***names, size_t *count)
{
	const struct dirent *entry;
	size_t cap = 0;

	while ((errno = 0, entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (*count + 1 >= cap) {
			char **grown;

			cap = cap == 0 ? 64 : 2 * cap;
			grown = reallocarray(*names, cap, sizeof(**names));
			if (grown == NULL)
				return -1;
			*names = grown;
		}
		(*names)[*count] = strdup(entry->d_name);
		if ((*names)[*count] == NULL)
			return -1;
		(*names)[++*count] = NULL;
	}
	return errno == 0 ? 0 : -1;
}

char **
vm_store_list(const struct vm_store *store, enum vm_store_dir which,
    struct vm_error *err)
{
	int fd = openat(store->fds[which], ".", OPEN_DIR), saved;
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	char **names = calloc(1, sizeof(*names));
	size_t count = 0;

	if (names == NULL || dir == NULL ||
	    read_names(dir, &names, &count) == -1) {
		saved = errno;
		vm_store_free_names(names);
		names = NULL;
		vm_error_errno(err, saved, "%s/%s", store->root,
		    dir_names[which]);
	} else
		qsort(names, count, sizeof(*names), compare_names);
	if (dir != NULL)
		closedir(dir);
	else if (fd != -1)
		close(fd);
	return names;
}

void
vm_store_free_names(char **names)
{
	if (names == NULL)
		return;
	for (size_t i = 0; names[i] != NULL; i++)
		free(names[i]);
	free(names);
}

void
vm_store_clean_names(char ***names)
{
	vm_store_free_names(*names);
}

int
vm_store_free_space(const struct vm_store *store, uint64_t *bytes,
    struct vm_error *err)
{
	struct statvfs fs;

	if (fstatvfs(store->root_fd, &fs) == -1)
		return vm_error_errno(err, errno, "%s", store->root);
	*bytes = (uint64_t)fs.f_frsize *
	    (geteuid() == 0 ? fs.f_bfree : fs.f_bavail);
	return 0;
}
