#include "lib/store/image.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/store/durable.h"
#include "lib/store/meta.h"

#define META "image.json"
#define CHUNKS "chunks"

static int
not_there(struct vm_store *store, const char *id, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_QUARANTINE,
	    err);
	size_t len = strlen(id);

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		if (strncmp(names[i], id, len) != 0 || names[i][len] != '.')
			continue;
		vm_error_set(err, VM_E_DATA, "image_quarantined",
		    "image %s: found damaged and put under quarantine", id);
		return vm_error_hint(err,
		    "vmfetch with its source, to fetch it anew");
	}
	return vm_error_set(err, VM_E_NO_INPUT, "image_not_found",
	    "image %s: not in the store", id);
}

/* Other inodes everywhere mean that the store was moved. */
static int
check_moved(int dir_fd, const struct vm_json *meta, struct vm_error *err)
{
	struct stat st;

	if (fstatat(dir_fd, CHUNKS, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (int64_t)st.st_ino != vm_json_int(meta, "chunks_inode", -1))
		return 0;
	return vm_error_set(err, VM_E_DATA, "image_changed",
	    "not as it was published: the file has been replaced");
}

static int
check_master(int dir_fd, const char *id, const struct vm_json *meta,
    struct vm_error *err)
{
	char name[VM_IMAGE_ID + 16];
	bool moved;

	if (strcmp(vm_json_string(meta, "id", ""), id) != 0)
		return vm_error_set(err, VM_E_DATA, "image_damaged",
		    "%s is of another image", META);
	snprintf(name, sizeof(name), "%s.raw", id);
	if (vm_meta_check_file(dir_fd, name, meta, "image_changed", &moved,
		err) == -1)
		return -1;
	return moved ? check_moved(dir_fd, meta, err) : 0;
}

struct vm_json *
vm_image_load(struct vm_store *store, const char *id, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *meta = NULL;
	VM_CLEAN_FD int dir_fd = -1;
	struct vm_error cause = { 0 };

	if (vm_meta_is_digest(id, true))
		dir_fd = vm_store_open_object(store, VM_STORE_IMAGES, id,
		    &cause);
	if (dir_fd == -1 &&
	    (cause.kind == VM_OK || cause.kind == VM_E_NO_INPUT)) {
		not_there(store, id, err);
		return NULL;
	}
	if (dir_fd != -1)
		meta = vm_meta_read(dir_fd, META, "image_damaged", &cause);
	if (cause.kind == VM_E_NO_INPUT)
		vm_error_set(&cause, VM_E_DATA, "image_damaged",
		    "%s is missing", META);
	if (meta != NULL && check_master(dir_fd, id, meta, &cause) == 0)
		return VM_TAKE(meta);
	if (err != NULL)
		*err = cause;
	vm_error_wrap(err, "image %s", id);
	if (cause.kind == VM_E_DATA)
		vm_error_hint(err, "vmdoctor --images");
	return NULL;
}

/* Put a member (taken) into image.json, replaced by rename. */
static int
set_member(struct vm_store *store, const char *id, const char *name,
    struct vm_json *value, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *taken = value;
	VM_CLEAN_JSON struct vm_json *meta = vm_image_load(store, id, err);
	VM_CLEAN_FD int dir_fd = -1;

	if (meta == NULL || vm_json_set(meta, name, VM_TAKE(taken), err) == -1)
		return -1;
	dir_fd = vm_store_open_object(store, VM_STORE_IMAGES, id, err);
	if (dir_fd == -1)
		return -1;
	return vm_meta_write(store, dir_fd, META, 0640, meta, err);
}

int
vm_image_set_layout(struct vm_store *store, const char *id,
    const struct vm_json *layout, struct vm_error *err)
{
	return set_member(store, id, "layout", vm_json_copy(layout), err);
}

int
vm_image_set_trust(struct vm_store *store, const char *id,
    const struct vm_json *trust, struct vm_error *err)
{
	return set_member(store, id, "trust", vm_json_copy(trust), err);
}

int
vm_image_set_sha512(struct vm_store *store, const char *id, const char *hex,
    struct vm_error *err)
{
	return set_member(store, id, "sha512", vm_json_new_string(hex), err);
}

int
vm_image_publish(struct vm_store *store, struct vm_publish *publish,
    const char *id, struct vm_json *facts, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	char name[VM_IMAGE_ID + 16];
	struct stat st;

	if (!vm_meta_is_digest(id, true))
		return vm_error_set(err, VM_E_BUG, "bad_id",
		    "not an image's id: %s", id);
	snprintf(name, sizeof(name), "%s.raw", id);
	if (fstatat(publish->dir_fd, CHUNKS, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return vm_error_errno(err, errno, "image %s: %s", id, CHUNKS);
	if (vm_json_set_string(facts, "id", id, err) == -1 ||
	    vm_json_set_int(facts, "chunks_inode", (int64_t)st.st_ino, err) ==
		-1 ||
	    vm_meta_note_file(publish->dir_fd, name, facts, err) == -1 ||
	    vm_meta_format(facts, &text, err) == -1 ||
	    vm_publish_write(publish, META, 0640, text.data, text.len, err) ==
		-1)
		return -1;
	return vm_meta_publish(store, publish, VM_STORE_IMAGES, id,
	    vm_image_load, err);
}

/* --- after its bytes were compared -----------------------------------------*/

/* Mode and mtime of the open master; *meta is changed if its inode differs. */
static int
restore(struct vm_durable *durable, int fd, struct vm_json *meta,
    struct vm_error *err)
{
	int64_t mtime_ns = vm_json_int(meta, "mtime_ns", 0);
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = mtime_ns / 1000000000,
		    .tv_nsec = mtime_ns % 1000000000 } };
	struct stat st;

	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "fstat");
	if (st.st_size != vm_json_int(meta, "file_size", -1))
		return vm_error_set(err, VM_E_DATA, "image_changed",
		    "its size differs");
	if (fchmod(fd, 0444) == -1 || futimens(fd, times) == -1 ||
	    vm_durable_fsync(durable, fd) == -1)
		return vm_error_errno(err, errno, "sealing it");
	return vm_json_set_int(meta, "inode", (int64_t)st.st_ino, err);
}

int
vm_image_seal(struct vm_store *store, const char *id, struct vm_error *err)
{
	VM_CLEAN_FD int dir_fd = vm_store_open_object(store, VM_STORE_IMAGES,
	    id, err);
	VM_CLEAN_JSON struct vm_json *meta = NULL;
	VM_CLEAN_FD int fd = -1;
	char name[VM_IMAGE_ID + 16];
	struct stat st;
	int64_t inode;

	snprintf(name, sizeof(name), "%.70s.raw", id);
	if (dir_fd == -1 ||
	    (meta = vm_meta_read(dir_fd, META, "image_damaged", err)) == NULL ||
	    (fd = vm_fd_open_regular(dir_fd, name, err)) == -1)
		return -1;
	inode = vm_json_int(meta, "inode", -1);
	if (restore(store->durable, fd, meta, err) == -1)
		return vm_error_wrap(err, "image %s", id);
	if (vm_json_int(meta, "inode", -1) == inode)
		return 0;
	if (fstatat(dir_fd, CHUNKS, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return vm_error_errno(err, errno, "image %s: %s", id, CHUNKS);
	if (vm_json_set_int(meta, "chunks_inode", (int64_t)st.st_ino, err) ==
	    -1)
		return -1;
	return vm_meta_write(store, dir_fd, META, 0640, meta, err);
}

void
vm_image_unseal(struct vm_store *store, const char *id)
{
	char path[2 * VM_IMAGE_ID + 32];

	snprintf(path, sizeof(path), "%.70s/%.70s.raw", id, id);
	if (utimensat(store->fds[VM_STORE_IMAGES], path, NULL,
		AT_SYMLINK_NOFOLLOW) == -1)
		vm_log(VM_LOG_INFO, "%s: its time cannot be set: %m", path);
}

int
vm_image_quarantine(struct vm_store *store, const char *id,
    struct vm_error *err)
{
	return vm_publish_keep(store, VM_STORE_IMAGES, id, VM_STORE_QUARANTINE,
	    NULL, err);
}
