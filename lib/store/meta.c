#include "lib/store/meta.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/store/lock.h"

#define META_MAX ((size_t)8 << 20)
#define LOCK_WAIT_MS 60000

static int
check_version(const struct vm_json *meta, const char *path,
    struct vm_error *err)
{
	const struct vm_json *version = vm_json_get(meta, "vmpipe");

	if (version == NULL || vm_json_int(meta, "vmpipe", 0) == 1)
		return 0;
	return vm_error_set(err, VM_E_CONFIG, "version",
	    "%s: written by another version of vmpipe, which this one does "
	    "not understand",
	    path);
}

struct vm_json *
vm_meta_read(int dirfd, const char *path, const char *code,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_JSON struct vm_json *meta = NULL;
	struct vm_error cause = { 0 };

	if (vm_fd_read_file(dirfd, path, META_MAX, &text, &cause) == 0)
		meta = vm_json_parse(text.data == NULL ? "" : text.data,
		    text.len, &cause);
	if (meta != NULL && vm_json_type(meta) != VM_JSON_OBJECT)
		vm_error_set(&cause, VM_E_DATA, code, "not an object");
	if (vm_error_is_set(&cause)) {
		/* Not ours to read is not damaged; no regular file is. */
		if (cause.kind == VM_E_DATA ||
		    (cause.kind == VM_E_DENIED &&
			strcmp(cause.code, "permission") != 0))
			vm_error_set(err, VM_E_DATA, code, "%s: damaged: %s",
			    path, cause.message);
		else if (err != NULL)
			*err = cause;
		return NULL;
	}
	if (check_version(meta, path, err) == -1)
		return NULL;
	return VM_TAKE(meta);
}

int
vm_meta_format(struct vm_json *meta, struct vm_buf *out, struct vm_error *err)
{
	if (vm_json_get(meta, "vmpipe") == NULL &&
	    vm_json_set_int(meta, "vmpipe", 1, err) == -1)
		return -1;
	if (vm_json_format(meta, false, out, err) == -1)
		return -1;
	return vm_buf_add(out, "\n", 1, err);
}

int
vm_meta_write(struct vm_store *store, int dirfd, const char *name, mode_t mode,
    struct vm_json *meta, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	if (vm_meta_format(meta, &text, err) == -1)
		return -1;
	return vm_publish_file(store, dirfd, name, mode, text.data, text.len,
	    true, err);
}

/* --- sealed files ----------------------------------------------------------*/

static int64_t
mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* Through jq(1) a number keeps 53 bits: of a time all but 256 ns. */
static bool
is_same_time(int64_t a, int64_t b)
{
	return (uint64_t)a - (uint64_t)b + 256 <= 512;
}

int
vm_meta_note_file(int dirfd, const char *name, struct vm_json *facts,
    struct vm_error *err)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return vm_error_errno(err, errno, "%s", name);
	if (vm_json_set_int(facts, "file_size", st.st_size, err) == -1 ||
	    vm_json_set_int(facts, "mtime_ns", mtime_ns(&st), err) == -1)
		return -1;
	return vm_json_set_int(facts, "inode", (int64_t)st.st_ino, err);
}

bool
vm_meta_is_unwritten(const struct stat *st, const struct vm_json *facts)
{
	return st->st_size == vm_json_int(facts, "file_size", -1) &&
	    is_same_time(mtime_ns(st), vm_json_int(facts, "mtime_ns", -1));
}

int
vm_meta_check_file(int dirfd, const char *name, const struct vm_json *facts,
    const char *code, bool *moved, struct vm_error *err)
{
	const char *what = NULL;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		if (errno != ENOENT)
			return vm_error_errno(err, errno, "%s", name);
		what = "it is missing";
	} else if (!S_ISREG(st.st_mode))
		what = "it is not a regular file";
	else if ((st.st_mode & 0222) != 0)
		what = "it has been made writable";
	else if (st.st_size != vm_json_int(facts, "file_size", -1))
		what = "its size differs";
	else if (!is_same_time(mtime_ns(&st),
		     vm_json_int(facts, "mtime_ns", -1)))
		what = "it was written to";
	if (what != NULL)
		return vm_error_set(err, VM_E_DATA, code,
		    "%s: not as it was published: %s", name, what);
	*moved = (int64_t)st.st_ino != vm_json_int(facts, "inode", -1);
	return 0;
}

bool
vm_meta_is_digest(const char *text, bool part_allowed)
{
	size_t len = strspn(text, "0123456789abcdef"), digits;

	if (len != 64)
		return false;
	if (text[64] == '\0')
		return true;
	digits = text[64] == '-' ? strspn(text + 65, "0123456789") : 0;
	return part_allowed && digits >= 1 && digits <= 4 &&
	    text[65 + digits] == '\0';
}

/* --- publishing ------------------------------------------------------------*/

/* The name is taken: by the same thing, or by a damaged one? */
static int
settle_taken(struct vm_store *store, struct vm_publish *publish,
    enum vm_store_dir dir, const char *name, vm_meta_load *load,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *there = NULL;
	VM_CLEAN_FD int lock = -1;
	struct vm_error damage = { 0 };

	/* of several that find it damaged, one alone may move it away */
	lock = vm_lock_named(store, name, LOCK_WAIT_MS, err);
	if (lock == -1)
		return -1;
	there = load(store, name, &damage);
	if (there != NULL) {
		vm_publish_abort(publish);
		return 0;
	}
	if (damage.kind == VM_E_DATA &&
	    vm_publish_keep(store, dir, name, VM_STORE_QUARANTINE, NULL, err) ==
		-1)
		return -1;
	if (damage.kind == VM_E_DATA || damage.kind == VM_E_NO_INPUT)
		return vm_publish_commit(publish, dir, name, VM_PUBLISH_NEW,
		    err);
	if (err != NULL)
		*err = damage;
	return -1;
}

int
vm_meta_publish(struct vm_store *store, struct vm_publish *publish,
    enum vm_store_dir dir, const char *name, vm_meta_load *load,
    struct vm_error *err)
{
	struct vm_error taken = { 0 };

	if (vm_publish_commit(publish, dir, name, VM_PUBLISH_NEW, &taken) == 0)
		return 0;
	if (taken.kind == VM_E_EXISTS)
		return settle_taken(store, publish, dir, name, load, err);
	if (err != NULL)
		*err = taken;
	return -1;
}
