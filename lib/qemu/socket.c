/* socket.c - see socket.h. */
#include "lib/qemu/socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clean.h"

/* Others may wait their turn here: monitor connections are short. */
#define BACKLOG 64

static int
set_address(int dir_fd, const char *name, struct sockaddr_un *address,
    struct vm_error *err)
{
	int n;

	address->sun_family = AF_UNIX;
	n = snprintf(address->sun_path, sizeof(address->sun_path),
	    "/proc/self/fd/%d/%s", dir_fd, name);
	if (n < 0 || (size_t)n >= sizeof(address->sun_path))
		return vm_error_set(err, VM_E_BUG, "long_name",
		    "%s: too long a name for a socket", name);
	return 0;
}

/* Only we may have put something there, and only a socket is removed. */
static int
clear_name(int dir_fd, const char *name, struct vm_error *err)
{
	struct stat st;

	if (fstat(dir_fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", name);
	if ((st.st_mode & S_IWOTH) != 0 ||
	    (st.st_uid != geteuid() && st.st_uid != 0))
		return vm_error_set(err, VM_E_DENIED, "bad_socket",
		    "%s: others may write its directory", name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 :
					 vm_error_errno(err, errno, "%s", name);
	if (!S_ISSOCK(st.st_mode))
		return vm_error_set(err, VM_E_DENIED, "bad_socket",
		    "%s: something that is not a socket is in its place", name);
	if (unlinkat(dir_fd, name, 0) == -1)
		return vm_error_errno(err, errno, "%s", name);
	return 0;
}

int
vm_socket_listen(int dir_fd, const char *name, struct vm_error *err)
{
	struct sockaddr_un address = { 0 };
	VM_CLEAN_FD int fd = -1;

	if (clear_name(dir_fd, name, err) == -1 ||
	    set_address(dir_fd, name, &address, err) == -1)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return vm_error_errno(err, errno, "socket");
	/* The mode comes from the descriptor: no moment when others may. */
	if (fchmod(fd, 0600) == -1 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1 ||
	    listen(fd, BACKLOG) == -1)
		return vm_error_errno(err, errno, "%s", name);
	return VM_TAKE_FD(fd);
}

int
vm_socket_connect(int dir_fd, const char *name, struct vm_error *err)
{
	struct sockaddr_un address = { 0 };
	VM_CLEAN_FD int fd = -1;

	if (set_address(dir_fd, name, &address, err) == -1)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return vm_error_errno(err, errno, "socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return VM_TAKE_FD(fd);
	/* EAGAIN: the backlog is full, which is as good as nobody there. */
	if (errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN)
		return vm_error_set(err, VM_E_UNAVAILABLE, "not_listening",
		    "%s: nobody answers there", name);
	return vm_error_errno(err, errno, "%s", name);
}
