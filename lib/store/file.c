#include "lib/store/file.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/store/durable.h"
#include "lib/store/lock.h"
#include "lib/store/meta.h"
#include "lib/store/publish.h"
#include "lib/store/use.h"

#define BLOCK ((size_t)256 << 10)
#define LOCK_WAIT_MS 60000

/* Hash the rest of fd, and copy it to `to` unless that is -1. */
static int
pump(struct vm_store *store, int fd, int to, const char *what,
    char hex[VM_HASH_SHA256_HEX], struct vm_error *err)
{
	VM_CLEAN_HASH struct vm_hash *hash = vm_hash_new(VM_HASH_SHA256, err);
	VM_CLEAN_FREE char *block = malloc(BLOCK);
	char digest[VM_HASH_MAX_HEX];
	size_t got = BLOCK;

	if (hash == NULL)
		return -1;
	if (block == NULL)
		return vm_error_nomem(err);
	while (got == BLOCK) {
		if (vm_fd_read(fd, block, BLOCK, &got, what, err) == -1 ||
		    vm_hash_add(hash, block, got, err) == -1)
			return -1;
		if (to != -1 &&
		    vm_durable_write(store->durable, to, block, got) == -1)
			return vm_error_errno(err, errno, "%s: copy", what);
	}
	if (vm_hash_finish(hash, digest, err) == -1)
		return -1;
	memcpy(hex, digest, VM_HASH_SHA256_HEX);
	return 0;
}

/* Was the source left alone while it was read? */
static int
check_same(int fd, const struct stat *before, const char *path,
    struct vm_error *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", path);
	if (st.st_size == before->st_size &&
	    st.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == before->st_mtim.tv_nsec)
		return 0;
	return vm_error_set(err, VM_E_TRY_AGAIN, "changed",
	    "%s: was written to while it was read", path);
}

/* The digest is taken: is the file there whole?  A damaged one makes room. */
static int
settle_taken(struct vm_store *store, int copy, const char *hex,
    struct vm_error *err)
{
	VM_CLEAN_FD int lock = vm_lock_named(store, hex, LOCK_WAIT_MS, err);
	VM_CLEAN_FD int there = -1;
	struct vm_error damage = { 0 };

	if (lock == -1)
		return -1;
	there = vm_file_open(store, hex, &damage);
	if (there != -1)
		return 0;
	if (damage.kind == VM_E_DATA &&
	    vm_publish_keep(store, VM_STORE_FILES, hex, VM_STORE_QUARANTINE,
		NULL, err) == -1)
		return -1;
	if (damage.kind == VM_E_DATA || damage.kind == VM_E_NO_INPUT)
		return vm_publish_tmpfile_commit(store, copy, VM_STORE_FILES,
		    hex, 0400, err);
	if (err != NULL)
		*err = damage;
	return -1;
}

int
vm_file_import(struct vm_store *store, int dirfd, const char *path,
    char hex[VM_HASH_SHA256_HEX], struct vm_error *err)
{
	VM_CLEAN_FD int from = vm_fd_open_regular(dirfd, path, err);
	VM_CLEAN_FD int copy = -1;
	char digest[VM_HASH_SHA256_HEX];
	struct vm_error taken = { 0 };
	struct stat before;

	if (from == -1)
		return -1;
	if (fstat(from, &before) == -1)
		return vm_error_errno(err, errno, "%s", path);
	copy = vm_publish_tmpfile(store, VM_STORE_FILES, err);
	if (copy == -1 || pump(store, from, copy, path, digest, err) == -1 ||
	    check_same(from, &before, path, err) == -1)
		return -1;
	if (vm_publish_tmpfile_commit(store, copy, VM_STORE_FILES, digest, 0400,
		&taken) == -1) {
		if (taken.kind != VM_E_EXISTS) {
			if (err != NULL)
				*err = taken;
			return vm_error_wrap(err, "%s", path);
		}
		if (settle_taken(store, copy, digest, err) == -1)
			return vm_error_wrap(err, "%s", path);
	}
	vm_use_note(store, VM_STORE_FILES, digest);
	memcpy(hex, digest, VM_HASH_SHA256_HEX);
	return 0;
}

int
vm_file_open(struct vm_store *store, const char *hex, struct vm_error *err)
{
	char digest[VM_HASH_SHA256_HEX];
	VM_CLEAN_FD int fd = -1;

	if (!vm_meta_is_digest(hex, false))
		return vm_error_set(err, VM_E_NO_INPUT, "file_not_found",
		    "not a file's digest");
	fd = openat(store->fds[VM_STORE_FILES], hex,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1 && errno == ENOENT) {
		vm_error_set(err, VM_E_NO_INPUT, "file_not_found",
		    "file %s: not in the store", hex);
		return vm_error_hint(err, "vmfetch MANIFEST");
	}
	if (fd == -1)
		return vm_error_errno(err, errno, "file %s", hex);
	if (pump(store, fd, -1, hex, digest, err) == -1)
		return -1;
	if (strcmp(digest, hex) != 0) {
		vm_error_set(err, VM_E_DATA, "file_damaged",
		    "file %s: its content does not match its digest", hex);
		return vm_error_hint(err, "vmfetch MANIFEST");
	}
	if (lseek(fd, 0, SEEK_SET) == -1)
		return vm_error_errno(err, errno, "file %s", hex);
	return VM_TAKE_FD(fd);
}
