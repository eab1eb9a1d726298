/*
 * fake_engine.h - for unit tests: an engine whose guest is a directory.
 *
 * Links are resolved as a guest would, with the directory as "/".  Programs
 * are not run, their last argument is noted; writes fail when `full`.  Owners
 * are set only for root.
 */
#ifndef VM_GUEST_FAKE_ENGINE_H
#define VM_GUEST_FAKE_ENGINE_H

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/adapt/engine.h"
#include "lib/base/fd.h"

struct fake {
	char root[PATH_MAX];
	bool full;
	struct vm_buf ran; /* one line per program */
	struct vm_engine_partition partitions[4];
	size_t partition_count;
};

static int
fake_error(const char *path, struct vm_error *err)
{
	if (errno == ENOENT || errno == ENOTDIR)
		return vm_error_set(err, VM_E_NO_INPUT, "not_found",
		    "%s: not in the guest", path);
	return vm_error_set(err, VM_E_DATA, "guest_error", "%s: %s", path,
	    strerror(errno));
}

/* Append the path with all links resolved below root; -1 with errno. */
static int
fake_resolve(const struct fake *fake, const char *path, char *out, int depth)
{
	char copy[PATH_MAX], host[2 * PATH_MAX], target[PATH_MAX], *rest = copy;
	char *part;
	struct stat st;

	snprintf(copy, sizeof copy, "%s", path);
	while ((part = strsep(&rest, "/")) != NULL) {
		size_t len = strlen(out);

		if (part[0] == '\0' || strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			char *slash = strrchr(out, '/');
			if (slash != NULL)
				*slash = '\0';
			continue;
		}
		snprintf(out + len, PATH_MAX - len, "/%s", part);
		snprintf(host, sizeof host, "%s%s", fake->root, out);
		if (lstat(host, &st) == -1)
			return -1;
		if (!S_ISLNK(st.st_mode))
			continue;
		ssize_t n = readlink(host, target, sizeof target - 1);
		if (n < 0 || depth > 8) {
			errno = ELOOP;
			return -1;
		}
		target[n] = '\0';
		out[target[0] == '/' ? 0 : len] = '\0';
		if (fake_resolve(fake, target, out, depth + 1) == -1)
			return -1;
	}
	return 0;
}

/* The host's path of a guest's: the last component is not followed. */
static int
fake_host(const struct fake *fake, const char *path, char out[2 * PATH_MAX],
    struct vm_error *err)
{
	char parent[PATH_MAX], real[PATH_MAX] = "";
	const char *slash = strrchr(path, '/');

	snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
	if (fake_resolve(fake, parent, real, 0) == -1)
		return fake_error(path, err);
	snprintf(out, 2 * PATH_MAX, "%s%s%s", fake->root, real, slash);
	return 0;
}

#define FAKE_PATH(state, path, err)                                            \
	char host[2 * PATH_MAX];                                               \
	if (fake_host(state, path, host, err) == -1)                           \
	return -1

static int
fake_partitions(void *state, size_t drive, struct vm_engine_partition *list,
    size_t *count, struct vm_error *err)
{
	const struct fake *fake = state;

	(void)drive;
	(void)err;
	memcpy(list, fake->partitions, sizeof fake->partitions);
	*count = fake->partition_count;
	return 0;
}

static int
fake_mount(void *state, size_t drive, int partition, const char *at,
    bool read_only, struct vm_error *err)
{
	(void)state;
	(void)drive;
	(void)at;
	(void)read_only;
	if (partition != 9)
		return 0;
	return vm_error_set(err, VM_E_DATA, "guest_mount",
	    "partition 9 cannot be mounted: bad superblock");
}

static int
fake_unmount_all(void *state, struct vm_error *err)
{
	(void)state;
	(void)err;
	return 0;
}

static int
fake_stat(void *state, const char *path, struct vm_engine_stat *st,
    struct vm_error *err)
{
	struct stat raw;

	FAKE_PATH(state, path, err);
	if (lstat(host, &raw) == -1)
		return fake_error(path, err);
	*st = (struct vm_engine_stat){
		.type = S_ISREG(raw.st_mode) ? VM_ENGINE_FILE :
		    S_ISDIR(raw.st_mode)     ? VM_ENGINE_DIR :
		    S_ISLNK(raw.st_mode)     ? VM_ENGINE_LINK :
					       VM_ENGINE_OTHER,
		.mode = raw.st_mode & 07777,
		.uid = raw.st_uid,
		.gid = raw.st_gid,
		.size = (uint64_t)raw.st_size,
	};
	return 0;
}

static int
fake_real_path(void *state, const char *path, struct vm_buf *out,
    struct vm_error *err)
{
	char real[PATH_MAX] = "";

	if (fake_resolve(state, path, real, 0) == -1)
		return fake_error(path, err);
	return vm_buf_add_string(out, real[0] == '\0' ? "/" : real, err);
}

static int
fake_read(void *state, const char *path, struct vm_buf *out,
    struct vm_error *err)
{
	FAKE_PATH(state, path, err);
	VM_CLEAN_FD int fd = open(host, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return fake_error(path, err);
	return vm_fd_slurp(fd, VM_ENGINE_TEXT_MAX, out, path, err);
}

/* What a pattern on the host matches, with `strip` bytes left out. */
static int
fake_expand(const char *pattern, size_t strip, struct vm_buf *out,
    struct vm_error *err)
{
	glob_t found = { 0 };
	int result = 0;

	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && result == 0; i++)
			result = vm_buf_add(out, found.gl_pathv[i] + strip,
			    strlen(found.gl_pathv[i] + strip) + 1, err);
	globfree(&found);
	return result;
}

static int
fake_list(void *state, const char *path, struct vm_buf *names,
    struct vm_error *err)
{
	FAKE_PATH(state, path, err);
	struct dirent **entries;
	int count = scandir(host, &entries, NULL, alphasort), result = 0;

	if (count == -1)
		return fake_error(path, err);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (result == 0 && strcmp(name, ".") != 0 &&
		    strcmp(name, "..") != 0)
			result = vm_buf_add(names, name, strlen(name) + 1, err);
		free(entries[i]);
	}
	free(entries);
	return result;
}

static int
fake_glob(void *state, const char *pattern, struct vm_buf *paths,
    struct vm_error *err)
{
	const char *root = ((struct fake *)state)->root;
	char host[2 * PATH_MAX];

	snprintf(host, sizeof host, "%s%s", root, pattern);
	return fake_expand(host, strlen(root), paths, err);
}

static int
fake_write(void *state, const char *path, const void *data, size_t len,
    struct vm_error *err)
{
	FAKE_PATH(state, path, err);
	if (((struct fake *)state)->full)
		return vm_error_set(err, VM_E_IO, "guest_full",
		    "%s: the guest's file system is full", path);
	VM_CLEAN_FD int fd = open(host,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd == -1)
		return fake_error(path, err);
	return vm_fd_write(fd, data, len, path, err);
}

static int
fake_upload(void *state, int fd, const char *path, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf data = { 0 };

	if (vm_fd_slurp(fd, VM_ENGINE_TEXT_MAX, &data, path, err) == -1)
		return -1;
	return fake_write(state, path, data.data == NULL ? "" : data.data,
	    data.len, err);
}

static int
fake_mkdir(void *state, const char *path, unsigned mode, struct vm_error *err)
{
	FAKE_PATH(state, path, err);
	return mkdir(host, mode) == -1 || chmod(host, mode) == -1 ?
	    fake_error(path, err) :
	    0;
}

static int
fake_chmod(void *state, const char *path, unsigned mode, struct vm_error *err)
{
	FAKE_PATH(state, path, err);
	return chmod(host, mode) == -1 ? fake_error(path, err) : 0;
}

static int
fake_chown(void *state, const char *path, uint32_t uid, uint32_t gid,
    struct vm_error *err)
{
	FAKE_PATH(state, path, err);
	return geteuid() == 0 && lchown(host, uid, gid) == -1 ?
	    fake_error(path, err) :
	    0;
}

static int
fake_copy_attributes(void *state, const char *from, const char *to,
    struct vm_error *err)
{
	(void)state;
	(void)from;
	(void)to;
	(void)err;
	return 0;
}

static int
fake_symlink(void *state, const char *target, const char *path,
    struct vm_error *err)
{
	FAKE_PATH(state, path, err);
	return symlink(target, host) == -1 ? fake_error(path, err) : 0;
}

static int
fake_rename(void *state, const char *from, const char *to, struct vm_error *err)
{
	char source[2 * PATH_MAX];

	FAKE_PATH(state, to, err);
	if (fake_host(state, from, source, err) == -1)
		return -1;
	return rename(source, host) == -1 ? fake_error(to, err) : 0;
}

static int
fake_unlink_one(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
fake_remove(void *state, const char *path, struct vm_error *err)
{
	FAKE_PATH(state, path, err);
	if (nftw(host, fake_unlink_one, 16, FTW_DEPTH | FTW_PHYS) == -1 &&
	    errno != ENOENT)
		return fake_error(path, err);
	return 0;
}

static int
fake_wipe(void *state, const char *path, struct vm_error *err)
{
	struct stat st;

	FAKE_PATH(state, path, err);
	VM_CLEAN_FD int fd = open(host, O_WRONLY | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1)
		return fake_error(path, err);
	for (off_t at = 0; at < st.st_size; at++)
		if (vm_fd_pwrite(fd, "", 1, (uint64_t)at, path, err) == -1)
			return -1;
	return 0;
}

static int
fake_trim(void *state, const char *at, struct vm_error *err)
{
	return vm_buf_format(&((struct fake *)state)->ran, err, "trim %s\n",
	    at);
}

static int
fake_run(void *state, const char *const *argv, struct vm_error *err)
{
	struct fake *fake = state;

	while (argv[1] != NULL)
		argv++;
	if (strcmp(argv[0], "false") == 0)
		return vm_error_set(err, VM_E_DATA, "guest_command",
		    "false: status 1");
	return vm_buf_format(&fake->ran, err, "%s\n", argv[0]);
}

static const struct vm_engine_ops fake_ops = {
	.partitions = fake_partitions,
	.mount = fake_mount,
	.unmount_all = fake_unmount_all,
	.stat = fake_stat,
	.real_path = fake_real_path,
	.read = fake_read,
	.list = fake_list,
	.glob = fake_glob,
	.write = fake_write,
	.upload = fake_upload,
	.mkdir = fake_mkdir,
	.chmod = fake_chmod,
	.chown = fake_chown,
	.copy_attributes = fake_copy_attributes,
	.symlink = fake_symlink,
	.rename = fake_rename,
	.wipe = fake_wipe,
	.trim = fake_trim,
	.remove = fake_remove,
	.run = fake_run,
};

/* A file of the guest, made or read as the host sees it. */
static void
fake_put(const struct fake *fake, const char *path, const char *text)
{
	char host[2 * PATH_MAX];
	FILE *f;

	snprintf(host, sizeof host, "%s%s", fake->root, path);
	for (char *p = host + strlen(fake->root) + 1; (p = strchr(p, '/'));
	     p++) {
		*p = '\0';
		mkdir(host, 0755);
		*p = '/';
	}
	f = fopen(host, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
fake_link(const struct fake *fake, const char *target, const char *path)
{
	char host[2 * PATH_MAX];

	snprintf(host, sizeof host, "%s%s", fake->root, path);
	unlink(host);
	assert_int_equal(0, symlink(target, host));
}

static void
fake_assert(const struct fake *fake, const char *path, const char *text)
{
	static char data[1 << 16];
	char host[2 * PATH_MAX];
	FILE *f;
	size_t n;

	snprintf(host, sizeof host, "%s%s", fake->root, path);
	f = fopen(host, "r");
	if (f == NULL)
		fail_msg("%s is not there", path);
	n = fread(data, 1, sizeof data - 1, f);
	data[n] = '\0';
	fclose(f);
	assert_string_equal(text, data);
}

static unsigned
fake_mode(const struct fake *fake, const char *path)
{
	char host[2 * PATH_MAX];
	struct stat st;

	snprintf(host, sizeof host, "%s%s", fake->root, path);
	return lstat(host, &st) == -1 ? UINT_MAX : st.st_mode & 07777;
}

/* cmocka's set-up: a small guest in a fresh directory. */
static int
fake_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct fake *fake = calloc(1, sizeof *fake);

	snprintf(fake->root, sizeof fake->root, "%s/vmpipe-guest.XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(fake->root) == NULL)
		return -1;
	fake->partitions[0] = (struct vm_engine_partition){
		.number = 1, .fs = "ext4", .uuid = "1111", .label = "root"
	};
	fake->partition_count = 1;
	fake_put(fake, "/etc/passwd",
	    "root:x:0:0:root:/root:/bin/bash\n"
	    "amy:x:1000:1000::/home/amy:/bin/sh\n");
	fake_put(fake, "/etc/shadow",
	    "root:!*:19000:0:99999:7:::\n"
	    "amy:*:19000:0:99999:7:::\n");
	fake_put(fake, "/etc/group",
	    "root:x:0:\nsudo:x:27:amy\n"
	    "amy:x:1000:\n");
	fake_put(fake, "/etc/hosts",
	    "127.0.0.1\tlocalhost\n"
	    "127.0.1.1\told\n::1\tlocalhost\n");
	fake_put(fake, "/etc/hostname", "old\n");
	fake_put(fake, "/root/.bashrc", "");
	fake_put(fake, "/bin/bash", "");
	fake_put(fake, "/etc/skel/.profile", "# profile\n");
	*state = fake;
	return 0;
}

static int
fake_teardown(void **state)
{
	struct fake *fake = *state;

	nftw(fake->root, fake_unlink_one, 16, FTW_DEPTH | FTW_PHYS);
	vm_buf_release(&fake->ran);
	free(fake);
	return 0;
}

#endif
