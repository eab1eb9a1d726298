#include "lib/record/manifest_files.h"

#include <errno.h>
#include <fcntl.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/base/fd.h"

#define READ_SIZE ((size_t)128 << 10)

static int
visit_object(struct vm_json *object, vm_manifest_file *visit, void *context,
    struct vm_error *err)
{
	const char *path = vm_json_string(object, "source", NULL);

	if (path == NULL)
		path = vm_json_string(object, "file", NULL);
	return path != NULL ? visit(context, object, path, err) : 0;
}

/* An operation's argument, and what may stand inside it: keys, a password. */
static int
visit_argument(struct vm_json *argument, vm_manifest_file *visit, void *context,
    struct vm_error *err)
{
	struct vm_json *keys = vm_json_get(argument, "ssh_keys");

	if (vm_json_type(argument) != VM_JSON_OBJECT)
		return 0;
	if (visit_object(argument, visit, context, err) == -1 ||
	    visit_object(vm_json_get(argument, "password"), visit, context,
		err) == -1)
		return -1;
	for (size_t i = 0; i < vm_json_count(keys); i++) {
		if (visit_object(vm_json_at(keys, i), visit, context, err) ==
		    -1)
			return -1;
	}
	return 0;
}

int
vm_manifest_each_file(struct vm_json *role, vm_manifest_file *visit,
    void *context, struct vm_error *err)
{
	static const char *const lists[] = { "customize", "instance" };

	for (size_t n = 0; n < 2; n++) {
		const struct vm_json *list = vm_json_member(role, lists[n]);

		for (size_t i = 0; i < vm_json_count(list); i++) {
			const struct vm_json *operation = vm_json_at(list, i);
			void *it = vm_json_first(operation);

			if (it != NULL &&
			    visit_argument(vm_json_value(it), visit, context,
				err) == -1)
				return -1;
		}
	}
	return 0;
}

static int
digest_file(int dirfd, const char *path, char hex[VM_HASH_MAX_HEX],
    struct vm_error *err)
{
	VM_CLEAN_HASH struct vm_hash *hash = NULL;
	VM_CLEAN_FREE char *data = malloc(READ_SIZE);
	VM_CLEAN_FD int fd = -1;
	size_t got = READ_SIZE;

	if (data == NULL)
		return vm_error_nomem(err);
	fd = vm_fd_open_regular(dirfd, path, err);
	if (fd == -1)
		return -1;
	hash = vm_hash_new(VM_HASH_SHA256, err);
	if (hash == NULL)
		return -1;
	while (got == READ_SIZE) {
		if (vm_fd_read(fd, data, READ_SIZE, &got, path, err) == -1 ||
		    vm_hash_add(hash, data, got, err) == -1)
			return -1;
	}
	return vm_hash_finish(hash, hex, err);
}

static int
put_digest(void *context, struct vm_json *object, const char *path,
    struct vm_error *err)
{
	char hex[VM_HASH_MAX_HEX];

	if (digest_file(*(const int *)context, path, hex, err) == -1)
		return -1;
	return vm_json_set_string(object, "sha256", hex, err);
}

int
vm_manifest_digest_files(struct vm_json *role, const char *directory,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		return vm_error_errno(err, errno, "%s", directory);
	return vm_manifest_each_file(role, put_digest, &fd, err);
}
