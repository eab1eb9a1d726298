#include "lib/store/durable.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clean.h"

#define FAULT_MAX 16
#define DEPTH_MAX 64 /* directories in directories when removing */
#define PASSES 8     /* over a directory that others still fill */

enum point {
	OPEN,
	WRITE,
	FSYNC,
	SYNCFS,
	LINK,
	RENAME,
	MKDIR,
	UNLINK,
	FSYNC_DIR,
	POINTS
};

static const char *const point_names[POINTS] = {
	[OPEN] = "open",
	[WRITE] = "write",
	[FSYNC] = "fsync",
	[SYNCFS] = "syncfs",
	[LINK] = "link",
	[RENAME] = "rename",
	[MKDIR] = "mkdir",
	[UNLINK] = "unlink",
	[FSYNC_DIR] = "fsync_dir",
};

struct fault {
	enum point point;
	unsigned long nth;
	bool onwards; /* "N+" */
	int errnum;   /* 0: kill */
};

struct vm_durable {
	struct fault faults[FAULT_MAX];
	size_t count;
	atomic_ulong calls[POINTS];
	char *log;
};

/* --- the faults asked for --------------------------------------------------*/

static int
parse_errno(const char *name)
{
	for (int e = 1; e < 256; e++) {
		const char *known = strerrorname_np(e);

		if (known != NULL && strcmp(known, name) == 0)
			return e;
	}
	return -1;
}

/* "POINT:NTH:ACTION" */
static int
parse_fault(char *text, struct fault *fault)
{
	char *save = NULL, *end;
	const char *point = strtok_r(text, ":", &save);
	const char *nth = strtok_r(NULL, ":", &save);
	const char *action = strtok_r(NULL, "", &save);
	int p = 0;

	if (point == NULL || nth == NULL || action == NULL)
		return -1;
	while (p < POINTS && strcmp(point, point_names[p]) != 0)
		p++;
	fault->point = (enum point)p;
	fault->nth = strtoul(nth, &end, 10);
	fault->onwards = *end == '+';
	fault->errnum = strcmp(action, "kill") == 0 ? 0 : parse_errno(action);
	if (p == POINTS || fault->nth == 0 || end[fault->onwards] != '\0' ||
	    fault->errnum == -1)
		return -1;
	return 0;
}

static int
parse_faults(struct vm_durable *durable, const char *text, struct vm_error *err)
{
	VM_CLEAN_FREE char *copy = strdup(text);
	char *save = NULL;

	if (copy == NULL)
		return vm_error_nomem(err);
	for (char *item = strtok_r(copy, ",", &save); item != NULL;
	     item = strtok_r(NULL, ",", &save)) {
		if (durable->count == FAULT_MAX ||
		    parse_fault(item, &durable->faults[durable->count]) == -1)
			return vm_error_set(err, VM_E_USAGE, "bad_fault",
			    "VMPIPE_FAULT: not POINT:NTH:ACTION[,...]: %s",
			    text);
		durable->count++;
	}
	return 0;
}

int
vm_durable_load(struct vm_durable **durable, struct vm_error *err)
{
	const char *faults = secure_getenv("VMPIPE_FAULT");
	const char *log = secure_getenv("VMPIPE_FAULT_LOG");
	struct vm_durable *made = NULL;

	if (faults != NULL || log != NULL) {
		made = calloc(1, sizeof(*made));
		if (made == NULL ||
		    (log != NULL && (made->log = strdup(log)) == NULL)) {
			vm_durable_free(made);
			return vm_error_nomem(err);
		}
		if (faults != NULL && parse_faults(made, faults, err) == -1) {
			vm_durable_free(made);
			return -1;
		}
	}
	*durable = made;
	return 0;
}

void
vm_durable_free(struct vm_durable *durable)
{
	if (durable != NULL)
		free(durable->log);
	free(durable);
}

/* A random name ("0123456789abcdef", "#42 (deleted)") is logged as "*". */
static bool
is_random(const char *name)
{
	return name[0] == '#' ||
	    (strlen(name) == 16 && strspn(name, "0123456789abcdef") == 16);
}

/* The last component of what fd is open on. */
static const char *
fd_name(int fd, char path[PATH_MAX])
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, PATH_MAX - 1);
	path[len < 0 ? 0 : len] = '\0';
	return strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
}

static const char *
shown(const char *name)
{
	if (name == NULL)
		return "";
	return is_random(name) ? "*" : name;
}

static int
note(const struct vm_durable *durable, enum point point, int fd,
    const char *name)
{
	char path[PATH_MAX], line[2 * NAME_MAX + 64];
	bool absolute = name != NULL && name[0] == '/';
	const char *parent = absolute ? "" : fd_name(fd, path);
	const char *base = absolute ? strrchr(name, '/') + 1 : name;
	VM_CLEAN_FD int log = open(durable->log,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	int len = snprintf(line, sizeof(line), "%s %.255s%s%.255s\n",
	    point_names[point], shown(parent),
	    base == NULL || absolute ? "" : "/", shown(base));

	if (log == -1 || write(log, line, (size_t)len) != len) {
		errno = EIO; /* a test must not lose a line */
		return -1;
	}
	return 0;
}

/* Pass a point: dirfd/name, or fd itself, is what the call is about. */
static int
pass(struct vm_durable *durable, enum point point, int fd, const char *name)
{
	unsigned long call;

	if (durable == NULL)
		return 0;
	if (durable->log != NULL && note(durable, point, fd, name) == -1)
		return -1;
	call = 1 + atomic_fetch_add(&durable->calls[point], 1);
	for (size_t i = 0; i < durable->count; i++) {
		const struct fault *f = &durable->faults[i];

		if (f->point != point ||
		    (f->onwards ? call < f->nth : call != f->nth))
			continue;
		if (f->errnum == 0)
			raise(SIGKILL);
		errno = f->errnum;
		return -1;
	}
	return 0;
}

/* --- the calls ---------------------------------------------------------------
 */

/* The point and the call, again while interrupted. */
#define CALL(point, fd, name, call)                                            \
	__extension__({                                                        \
		int result_;                                                   \
		do                                                             \
			result_ = pass(durable, point, fd, name) == -1 ?       \
			    -1 :                                               \
			    (call);                                            \
		while (result_ == -1 && errno == EINTR);                       \
		result_;                                                       \
	})

int
vm_durable_open(struct vm_durable *durable, int dirfd, const char *name,
    int flags, mode_t mode)
{
	return CALL(OPEN, dirfd, name,
	    openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW, mode));
}

int
vm_durable_write(struct vm_durable *durable, int fd, const void *data,
    size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = -1;

		if (pass(durable, WRITE, fd, NULL) == 0)
			n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
vm_durable_fsync(struct vm_durable *durable, int fd)
{
	return CALL(FSYNC, fd, NULL, fsync(fd));
}

int
vm_durable_fsync_dir(struct vm_durable *durable, int fd)
{
	return CALL(FSYNC_DIR, fd, NULL, fsync(fd));
}

int
vm_durable_syncfs(struct vm_durable *durable, int fd)
{
	return CALL(SYNCFS, fd, NULL, syncfs(fd));
}

int
vm_durable_mkdir(struct vm_durable *durable, int dirfd, const char *name,
    mode_t mode)
{
	return CALL(MKDIR, dirfd, name, mkdirat(dirfd, name, mode));
}

int
vm_durable_link(struct vm_durable *durable, int from_fd, const char *from,
    int to_fd, const char *to)
{
	return CALL(LINK, to_fd, to, linkat(from_fd, from, to_fd, to, 0));
}

int
vm_durable_link_fd(struct vm_durable *durable, int fd, int to_fd,
    const char *to)
{
	char from[64];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	return CALL(LINK, to_fd, to,
	    linkat(AT_FDCWD, from, to_fd, to, AT_SYMLINK_FOLLOW));
}

int
vm_durable_rename(struct vm_durable *durable, int from_fd, const char *from,
    int to_fd, const char *to, unsigned flags)
{
	return CALL(RENAME, to_fd, to,
	    renameat2(from_fd, from, to_fd, to, flags));
}

int
vm_durable_unlink(struct vm_durable *durable, int dirfd, const char *name,
    int flags)
{
	return CALL(UNLINK, dirfd, name, unlinkat(dirfd, name, flags));
}

/* --- whole directories -------------------------------------------------------
 */

static int remove_at(struct vm_durable *durable, int parent, const char *name,
    int fd, int depth);

static int
remove_entry(struct vm_durable *durable, int dirfd, const char *name, int depth)
{
	int fd;

	if (vm_durable_unlink(durable, dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -1;
	fd = openat(dirfd, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	return remove_at(durable, dirfd, name, fd, depth + 1);
}

static int
empty(struct vm_durable *durable, DIR *dir, int depth)
{
	const struct dirent *entry;

	rewinddir(dir);
	while ((errno = 0, entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (remove_entry(durable, dirfd(dir), entry->d_name, depth) ==
		    -1)
			return -1;
	}
	return errno == 0 ? 0 : -1;
}

static int
remove_at(struct vm_durable *durable, int parent, const char *name, int fd,
    int depth)
{
	DIR *dir = depth < DEPTH_MAX ? fdopendir(fd) : NULL;
	int result = -1, saved;

	if (dir == NULL) {
		saved = depth < DEPTH_MAX ? errno : ELOOP;
		close(fd);
		errno = saved;
		return -1;
	}
	for (int i = 0; i < PASSES && result == -1; i++) {
		if (empty(durable, dir, depth) == -1)
			break;
		result = vm_durable_unlink(durable, parent, name, AT_REMOVEDIR);
		if (result == -1 && errno == ENOENT)
			result = 0;
		if (result == -1 && errno != ENOTEMPTY && errno != EEXIST)
			break;
	}
	saved = errno;
	closedir(dir);
	errno = saved;
	return result;
}

int
vm_durable_remove_tree(struct vm_durable *durable, int parent, const char *name,
    int fd)
{
	return remove_at(durable, parent, name, fd, 0);
}
