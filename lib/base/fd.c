#include "lib/base/fd.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int
vm_fd_check_standard(struct vm_error *err)
{
	int fd;

	if (fcntl(STDIN_FILENO, F_GETFD) == -1 && errno == EBADF) {
		fd = open("/dev/null", O_RDONLY);
		if (fd == -1)
			return vm_error_errno(err, errno, "/dev/null");
	}
	for (fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
			return vm_error_set(err, VM_E_IO, "closed_output",
			    "descriptor %d is closed", fd);
	}
	return 0;
}

int
vm_fd_read(int fd, void *data, size_t len, size_t *got, const char *what,
    struct vm_error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, (char *)data + done, len - done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return vm_error_errno(err, errno, "%s", what);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*got = done;
	return 0;
}

int
vm_fd_pread(int fd, void *data, size_t len, uint64_t offset, size_t *got,
    const char *what, struct vm_error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, (char *)data + done, len - done,
		    (off_t)(offset + done));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return vm_error_errno(err, errno, "%s", what);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*got = done;
	return 0;
}

int
vm_fd_write(int fd, const void *data, size_t len, const char *what,
    struct vm_error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, (const char *)data + done, len - done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return vm_error_errno(err, errno, "%s", what);
		done += (size_t)n;
	}
	return 0;
}

int
vm_fd_pwrite(int fd, const void *data, size_t len, uint64_t offset,
    const char *what, struct vm_error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pwrite(fd, (const char *)data + done, len - done,
		    (off_t)(offset + done));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return vm_error_errno(err, errno, "%s", what);
		done += (size_t)n;
	}
	return 0;
}

int
vm_fd_slurp(int fd, size_t max, struct vm_buf *buf, const char *what,
    struct vm_error *err)
{
	const size_t block = (size_t)64 << 10;
	size_t total = 0, got;

	do {
		if (vm_buf_reserve(buf, block, err) == -1)
			return vm_error_wrap(err, "%s", what);
		if (vm_fd_read(fd, buf->data + buf->len, block, &got, what,
			err) == -1)
			return -1;
		buf->len += got;
		buf->data[buf->len] = '\0';
		total += got;
		if (total > max)
			return vm_error_set(err, VM_E_DATA, "too_large",
			    "%s: more than %zu bytes", what, max);
	} while (got == block);
	return 0;
}

int
vm_fd_open_regular(int dirfd, const char *path, struct vm_error *err)
{
	VM_CLEAN_FD int fd = -1;
	struct stat st;

	/* O_NONBLOCK: a FIFO must not hang us before fstat sees it. */
	fd = openat(dirfd, path,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return vm_error_errno(err, errno, "%s", path);
	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return vm_error_set(err, VM_E_DENIED, "not_regular",
		    "%s: not a regular file", path);
	return VM_TAKE_FD(fd);
}

int
vm_fd_read_file(int dirfd, const char *path, size_t max, struct vm_buf *buf,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_fd_open_regular(dirfd, path, err);

	if (fd == -1)
		return -1;
	return vm_fd_slurp(fd, max, buf, path, err);
}
