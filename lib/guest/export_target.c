#include "lib/guest/export_target.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "lib/base/progress.h"

#define PIECE ((size_t)1 << 20)
#define MODE 0600 /* it has password hashes in it */

/* The part behind the last slash. */
static const char *
base_name(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash == NULL ? file : slash + 1;
}

static int
open_dir(const char *file, struct vm_export_target *target,
    struct vm_error *err)
{
	size_t len = (size_t)(base_name(file) - file);
	VM_CLEAN_FREE char *dir = len == 0 ? strdup(".") : strndup(file, len);
	VM_CLEAN_FREE char *real = NULL;

	if (dir == NULL)
		return vm_error_nomem(err);
	target->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	real = target->dir_fd == -1 ? NULL : realpath(dir, NULL);
	if (real == NULL)
		return vm_error_errno(err, errno, "%s", dir);
	target->path = vm_buf_printf(err, "%s/%s",
	    strcmp(real, "/") == 0 ? "" : real, base_name(file));
	return target->path == NULL ? -1 : 0;
}

/* Everything below the root is ours alone to write. */
static int
check_place(const struct vm_store *store, const struct vm_export_target *target,
    struct vm_error *err)
{
	size_t len = strlen(store->root);

	if (strncmp(target->path, store->root, len) != 0 ||
	    target->path[len] != '/')
		return 0;
	return vm_error_set(err, VM_E_DENIED, "in_store",
	    "%s: in the store, whose files are not to be replaced",
	    target->options->file);
}

static int
refuse_directory(const char *file, struct vm_error *err)
{
	return vm_error_set(err, VM_E_DENIED, "directory",
	    "%s: a directory, not a file in it", file);
}

/* What is there under the name? */
static int
check_taken(const struct vm_export_target *target, struct vm_error *err)
{
	const char *file = target->options->file;
	struct stat st;

	if (fstatat(target->dir_fd, base_name(file), &st,
		AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 :
					 vm_error_errno(err, errno, "%s", file);
	if (S_ISDIR(st.st_mode))
		return refuse_directory(file, err);
	if (!S_ISREG(st.st_mode))
		return vm_error_set(err, VM_E_DENIED, "not_a_file",
		    "%s: there is something that is no regular file", file);
	if (target->options->replace)
		return 0;
	return vm_error_set(err, VM_E_EXISTS, "exists", "%s: already there",
	    file);
}

int
vm_export_target_check(const struct vm_store *store,
    const struct vm_export_options *options, struct vm_export_target *target,
    struct vm_error *err)
{
	target->options = options;
	if (options->file == NULL)
		return 0;
	if (base_name(options->file)[0] == '\0')
		return refuse_directory(options->file, err);
	if (open_dir(options->file, target, err) == -1 ||
	    check_place(store, target, err) == -1)
		return -1;
	return check_taken(target, err);
}

int
vm_export_target_open(struct vm_store *store, struct vm_export_target *target,
    struct vm_error *err)
{
	if (target->dir_fd == -1)
		return target->stream_fd = vm_publish_tmpfile(store,
			   VM_STORE_TMP, err);
	if (vm_publish_outside_begin(store, target->dir_fd, &target->outside,
		err) == -1)
		return vm_error_wrap(err, "%s", target->options->file);
	return target->outside.fd;
}

/* Read all of it once: to the digest and, when streaming, out. */
static int
pass_on(struct vm_export_target *target, int fd, struct vm_error *err)
{
	VM_CLEAN_HASH struct vm_hash *hash = vm_hash_new(VM_HASH_SHA256, err);
	VM_CLEAN_FREE char *piece = malloc(PIECE);
	bool stream = target->dir_fd == -1;
	uint64_t at = 0;
	size_t got = 1;

	if (hash == NULL)
		return -1;
	if (piece == NULL)
		return vm_error_nomem(err);
	for (; got > 0; at += got) {
		if (vm_proc_check_stop(err) == -1 ||
		    vm_fd_pread(fd, piece, PIECE, at, &got, "the image", err) ==
			-1 ||
		    vm_hash_add(hash, piece, got, err) == -1 ||
		    (stream &&
			vm_fd_write(target->options->out_fd, piece, got,
			    "standard output", err) == -1))
			return -1;
		vm_progress_update(at + got);
	}
	target->size = at;
	return vm_hash_finish(hash, target->sha256, err);
}

int
vm_export_target_finish(struct vm_export_target *target, struct vm_error *err)
{
	bool stream = target->dir_fd == -1;
	int fd = stream ? target->stream_fd : target->outside.fd, result;
	struct stat st;

	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "the image");
	vm_progress_start(stream ? "writing" : "digest", (uint64_t)st.st_size,
	    VM_PROGRESS_BYTES);
	result = pass_on(target, fd, err);
	vm_progress_end();
	if (result == -1 || stream)
		return result;
	return vm_publish_outside_commit(&target->outside,
	    base_name(target->options->file), MODE, target->options->replace,
	    err);
}

void
vm_export_target_close(struct vm_export_target *target)
{
	vm_publish_outside_abort(&target->outside);
	vm_clean_fd(&target->dir_fd);
	vm_clean_fd(&target->stream_fd);
	free(target->path);
	*target = (struct vm_export_target)VM_EXPORT_TARGET_NONE;
}
