#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/adapt/guestfs_private.h"
#include "lib/base/fd.h"

static int
done(struct vm_guestfs *g, int result, const char *path, struct vm_error *err)
{
	return result == -1 ? vm_guestfs_error(g, path, err) : 0;
}

static int
guest_stat(void *state, const char *path, struct vm_engine_stat *st,
    struct vm_error *err)
{
	struct vm_guestfs *g = state;
	struct guestfs_statns *raw = guestfs_lstatns(g->h, path);

	if (raw == NULL)
		return vm_guestfs_error(g, path, err);
	*st = (struct vm_engine_stat){
		.type = S_ISREG(raw->st_mode) ? VM_ENGINE_FILE :
		    S_ISDIR(raw->st_mode)     ? VM_ENGINE_DIR :
		    S_ISLNK(raw->st_mode)     ? VM_ENGINE_LINK :
						VM_ENGINE_OTHER,
		.mode = raw->st_mode & 07777,
		.uid = (uint32_t)raw->st_uid,
		.gid = (uint32_t)raw->st_gid,
		.size = (uint64_t)raw->st_size,
	};
	guestfs_free_statns(raw);
	return 0;
}

static int
guest_real_path(void *state, const char *path, struct vm_buf *out,
    struct vm_error *err)
{
	struct vm_guestfs *g = state;
	VM_CLEAN_FREE char *real = guestfs_realpath(g->h, path);

	if (real == NULL)
		return vm_guestfs_error(g, path, err);
	return vm_buf_add_string(out, real, err);
}

static int
guest_read(void *state, const char *path, struct vm_buf *out,
    struct vm_error *err)
{
	struct vm_guestfs *g = state;
	struct vm_engine_stat st = { 0 };
	size_t len;

	if (guest_stat(g, path, &st, err) == -1)
		return -1;
	if (st.type != VM_ENGINE_FILE || st.size > VM_ENGINE_TEXT_MAX)
		return vm_error_set(err, VM_E_DATA, "guest_error",
		    "%s: not a file of reasonable size in the guest", path);
	VM_CLEAN_FREE char *data = guestfs_read_file(g->h, path, &len);
	if (data == NULL)
		return vm_guestfs_error(g, path, err);
	return vm_buf_add(out, data, len, err);
}

static int
add_list(char **list, struct vm_buf *out, struct vm_error *err)
{
	for (; *list != NULL; list++)
		if (vm_buf_add(out, *list, strlen(*list) + 1, err) == -1)
			return -1;
	return 0;
}

static int
guest_list(void *state, const char *path, struct vm_buf *names,
    struct vm_error *err)
{
	struct vm_guestfs *g = state;
	VM_CLEAN_LIST char **list = guestfs_ls(g->h, path);

	if (list == NULL)
		return vm_guestfs_error(g, path, err);
	return add_list(list, names, err);
}

static int
guest_glob(void *state, const char *pattern, struct vm_buf *paths,
    struct vm_error *err)
{
	struct vm_guestfs *g = state;
	VM_CLEAN_LIST char **list = guestfs_glob_expand_opts(g->h, pattern,
	    GUESTFS_GLOB_EXPAND_OPTS_DIRECTORYSLASH, 0, -1);

	if (list == NULL)
		return vm_guestfs_error(g, pattern, err);
	return add_list(list, paths, err);
}

static int
guest_write(void *state, const char *path, const void *data, size_t len,
    struct vm_error *err)
{
	struct vm_guestfs *g = state;

	return done(g, guestfs_write(g->h, path, data, len), path, err);
}

static int
guest_upload(void *state, int fd, const char *path, struct vm_error *err)
{
	struct vm_guestfs *g = state;
	char from[32];

	snprintf(from, sizeof from, "/dev/fd/%d", fd);
	return done(g, guestfs_upload(g->h, from, path), path, err);
}

static int
guest_mkdir(void *state, const char *path, unsigned mode, struct vm_error *err)
{
	struct vm_guestfs *g = state;

	if (guestfs_mkdir_mode(g->h, path, (int)mode) == -1)
		return vm_guestfs_error(g, path, err);
	/* the appliance's umask took its part */
	return done(g, guestfs_chmod(g->h, (int)mode, path), path, err);
}

static int
guest_chmod(void *state, const char *path, unsigned mode, struct vm_error *err)
{
	struct vm_guestfs *g = state;

	return done(g, guestfs_chmod(g->h, (int)mode, path), path, err);
}

static int
guest_chown(void *state, const char *path, uint32_t uid, uint32_t gid,
    struct vm_error *err)
{
	struct vm_guestfs *g = state;

	return done(g, guestfs_lchown(g->h, (int)uid, (int)gid, path), path,
	    err);
}

static int
guest_copy_attributes(void *state, const char *from, const char *to,
    struct vm_error *err)
{
	struct vm_guestfs *g = state;
	int result = guestfs_copy_attributes(g->h, from, to,
	    GUESTFS_COPY_ATTRIBUTES_XATTRIBUTES, 1, -1);

	if (result == -1 && guestfs_last_errno(g->h) == ENOTSUP)
		return 0;
	return done(g, result, to, err);
}

static int
guest_symlink(void *state, const char *target, const char *path,
    struct vm_error *err)
{
	struct vm_guestfs *g = state;

	return done(g, guestfs_ln_s(g->h, target, path), path, err);
}

static int
guest_rename(void *state, const char *from, const char *to,
    struct vm_error *err)
{
	struct vm_guestfs *g = state;

	return done(g, guestfs_rename(g->h, from, to), to, err);
}

static int
guest_wipe(void *state, const char *path, struct vm_error *err)
{
	static const char zeros[64 << 10];
	struct vm_guestfs *g = state;
	struct vm_engine_stat st = { 0 };

	if (guest_stat(g, path, &st, err) == -1)
		return -1;
	for (uint64_t at = 0; at < st.size;) {
		uint64_t left = st.size - at;
		int n = guestfs_pwrite(g->h, path, zeros,
		    left < sizeof zeros ? (size_t)left : sizeof zeros,
		    (int64_t)at);

		if (n <= 0)
			return vm_guestfs_error(g, path, err);
		at += (uint64_t)n;
	}
	return done(g, guestfs_sync(g->h), path, err);
}

static int
guest_trim(void *state, const char *at, struct vm_error *err)
{
	struct vm_guestfs *g = state;

	if (guestfs_fstrim(g->h, at, -1) == -1 && !guestfs_is_ready(g->h))
		return vm_guestfs_error(g, at, err);
	return 0;
}

static int
guest_remove(void *state, const char *path, struct vm_error *err)
{
	struct vm_guestfs *g = state;

	return done(g, guestfs_rm_rf(g->h, path), path, err);
}

static int
guest_run(void *state, const char *const *argv, struct vm_error *err)
{
	struct vm_guestfs *g = state;
	char reason[VM_GUESTFS_REASON];
	size_t count = 0;

	while (argv[count] != NULL)
		count++;
	VM_CLEAN_FREE char **copy = calloc(count + 1, sizeof *copy);
	if (copy == NULL)
		return vm_error_nomem(err);
	memcpy(copy, argv, count * sizeof *copy);
	VM_CLEAN_FREE char *out = guestfs_command(g->h, copy);
	if (out != NULL)
		return 0;
	vm_guestfs_error(g, argv[0], err);
	if (err != NULL && err->kind == VM_E_DATA)
		return vm_error_set(err, VM_E_DATA, "guest_command", "%s: %s",
		    argv[0], vm_guestfs_reason(g, reason));
	return -1;
}

const struct vm_engine_ops vm_guestfs_ops = {
	.partitions = vm_guestfs_partitions,
	.mount = vm_guestfs_mount,
	.unmount_all = vm_guestfs_unmount_all,
	.stat = guest_stat,
	.real_path = guest_real_path,
	.read = guest_read,
	.list = guest_list,
	.glob = guest_glob,
	.write = guest_write,
	.upload = guest_upload,
	.mkdir = guest_mkdir,
	.chmod = guest_chmod,
	.chown = guest_chown,
	.copy_attributes = guest_copy_attributes,
	.symlink = guest_symlink,
	.rename = guest_rename,
	.wipe = guest_wipe,
	.trim = guest_trim,
	.remove = guest_remove,
	.run = guest_run,
};
