#include "lib/image/uploads.h"

#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clean.h"
#include "lib/store/file.h"

struct uploads {
	struct vm_store *store;
	int dir_fd; /* the manifest's directory */
};

/* The directory that a relative name is in, never one outside of ours. */
static int
open_parent(const struct uploads *u, const char *path, size_t len,
    struct vm_error *err)
{
	char *parent VM_CLEAN_FREE = vm_buf_printf(err, "%.*s",
	    (int)(len == 0 ? 1 : len), len == 0 ? "." : path);
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	if (parent == NULL)
		return -1;
	fd = (int)syscall(SYS_openat2, u->dir_fd, parent, &how, sizeof(how));
	if (fd >= 0)
		return fd;
	if (errno == EXDEV || errno == ELOOP)
		return vm_error_set(err, VM_E_DATA, "path_escape",
		    "%s: leads out of the manifest's directory", path);
	return vm_error_errno(err, errno, "%s", path);
}

static int
take_file(const struct uploads *u, const char *path,
    char hex[VM_HASH_SHA256_HEX], struct vm_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash == NULL ? path : slash + 1;
	int parent VM_CLEAN_FD = -1;

	if (path[0] == '/')
		return vm_file_import(u->store, AT_FDCWD, path, hex, err);
	parent = open_parent(u, path,
	    slash == NULL ? 0 : (size_t)(slash - path), err);
	if (parent == -1)
		return -1;
	if (strcmp(base, "..") == 0)
		return vm_error_set(err, VM_E_DATA, "path_escape",
		    "%s: leads out of the manifest's directory", path);
	return vm_file_import(u->store, parent, base, hex, err);
}

/* The value of one operation: a map, a list of such, or a plain text. */
static int
take_value(const struct uploads *u, struct vm_json *value, struct vm_error *err)
{
	const char *path = vm_json_string(value, "file",
	    vm_json_string(value, "source", NULL));
	char hex[VM_HASH_SHA256_HEX];

	if (vm_json_type(value) == VM_JSON_ARRAY) {
		for (size_t i = 0; i < vm_json_count(value); i++)
			if (take_value(u, vm_json_at(value, i), err) == -1)
				return -1;
		return 0;
	}
	if (vm_json_type(value) != VM_JSON_OBJECT)
		return 0;
	if (path != NULL)
		return take_file(u, path, hex, err) == -1 ?
		    -1 :
		    vm_json_set_string(value, "sha256", hex, err);
	for (void *it = vm_json_first(value); it != NULL;
	     it = vm_json_next(value, it))
		if (take_value(u, vm_json_value(it), err) == -1)
			return -1;
	return 0;
}

static int
take_list(const struct uploads *u, struct vm_json *role, const char *name,
    struct vm_error *err)
{
	struct vm_json *list = vm_json_member(role, name);

	for (size_t i = 0; i < vm_json_count(list); i++)
		if (take_value(u, vm_json_at(list, i), err) == -1)
			return vm_error_wrap(err, "%s.%zu", name, i);
	return 0;
}

int
vm_uploads_take(struct vm_store *store, struct vm_json *role,
    const char *directory, struct vm_error *err)
{
	int dir_fd VM_CLEAN_FD = open(directory,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct uploads u = { .store = store, .dir_fd = dir_fd };

	if (dir_fd == -1)
		return vm_error_errno(err, errno, "%s", directory);
	if (take_list(&u, role, "customize", err) == -1)
		return -1;
	return take_list(&u, role, "instance", err);
}
