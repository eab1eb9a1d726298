/* qmp.c - see qmp.h. */
#include "lib/qemu/qmp.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "lib/qemu/socket.h"

static int
fail(struct vm_error *err, const char *code, const char *what)
{
	return vm_error_set(err, VM_E_UNAVAILABLE, code, "QEMU's monitor %s",
	    what);
}

/* Wait for the socket, not beyond the deadline, the process's end or ours. */
static int
wait_for(struct vm_qmp *qmp, short events, uint64_t deadline_ms,
    struct vm_error *err)
{
	struct pollfd fds[2] = { { .fd = qmp->fd, .events = events },
		{ .fd = qmp->pidfd, .events = POLLIN } };
	uint64_t now;

	for (;;) {
		now = vm_clock_ms();
		if (now >= deadline_ms)
			return fail(err, "monitor_timeout", "does not answer");
		if (!qmp->deaf && vm_proc_check_stop(err) == -1)
			return -1;
		if (poll(fds, 2,
			(int)(deadline_ms - now < 1000 ? deadline_ms - now :
							 1000)) == -1) {
			if (errno != EINTR)
				return vm_error_errno(err, errno, "poll");
			continue;
		}
		if (fds[0].revents != 0)
			return 0;
		if (fds[1].revents != 0)
			return fail(err, "monitor_closed",
			    "is gone: the process has ended");
	}
}

/* Send it, and with its first byte the descriptor fd unless that is -1. */
static ssize_t
send_with(int socket, char *line, size_t len, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = line, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *header = (struct cmsghdr *)(void *)control;

	if (fd >= 0) {
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL);
}

static int
send_line(struct vm_qmp *qmp, const struct vm_buf *line, int fd,
    uint64_t deadline_ms, struct vm_error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < line->len) {
		if (wait_for(qmp, POLLOUT, deadline_ms, err) == -1)
			return -1;
		n = send_with(qmp->fd, line->data + done, line->len - done,
		    done == 0 ? fd : -1);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return fail(err, "monitor_closed",
			    "has closed the connection");
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The next line without its end; it stays in qmp->in until consumed. */
static int
read_line(struct vm_qmp *qmp, uint64_t deadline_ms, size_t *len,
    struct vm_error *err)
{
	char data[4096];
	char *end = NULL;
	size_t seen = 0;
	ssize_t n;

	for (;;) {
		if (qmp->in.len > seen)
			end = memchr(qmp->in.data + seen, '\n',
			    qmp->in.len - seen);
		if (end != NULL) {
			*len = (size_t)(end - qmp->in.data);
			return 0;
		}
		seen = qmp->in.len;
		if (seen > VM_QMP_LINE_MAX)
			return fail(err, "monitor_nonsense",
			    "sends a line without an end");
		if (wait_for(qmp, POLLIN, deadline_ms, err) == -1)
			return -1;
		n = recv(qmp->fd, data, sizeof(data), 0);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return fail(err, "monitor_closed",
			    "has closed the connection");
		if (vm_buf_add(&qmp->in, data, (size_t)n, err) == -1)
			return -1;
	}
}

/* The next value; NULL with *err. */
static struct vm_json *
read_value(struct vm_qmp *qmp, uint64_t deadline_ms, struct vm_error *err)
{
	struct vm_json *value;
	size_t len;

	if (read_line(qmp, deadline_ms, &len, err) == -1)
		return NULL;
	value = vm_json_parse(qmp->in.data, len, NULL);
	vm_buf_consume(&qmp->in, len + 1);
	if (vm_json_type(value) != VM_JSON_OBJECT) {
		vm_json_free(value);
		fail(err, "monitor_nonsense", "sends no JSON");
		return NULL;
	}
	return value;
}

static int
send_command(struct vm_qmp *qmp, const char *command, struct vm_json *arguments,
    int fd, uint64_t deadline_ms, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *request = vm_json_new_object();
	VM_CLEAN_BUF struct vm_buf line = { 0 };

	if (arguments != NULL &&
	    vm_json_set(request, "arguments", arguments, err) == -1)
		return -1;
	if (vm_json_set_string(request, "execute", command, err) == -1 ||
	    vm_json_set_int(request, "id", ++qmp->serial, err) == -1 ||
	    vm_json_format(request, false, &line, err) == -1 ||
	    vm_buf_add_string(&line, "\n", err) == -1)
		return -1;
	return send_line(qmp, &line, fd, deadline_ms, err);
}

/* An answer to our command: 1 with its result, -1 refused; 0 none of ours. */
static int
take_answer(struct vm_qmp *qmp, const char *command,
    const struct vm_json *value, struct vm_json **result, struct vm_error *err)
{
	if (vm_json_get(value, "event") != NULL ||
	    vm_json_int(value, "id", -1) != (int64_t)qmp->serial)
		return 0;
	if (vm_json_get(value, "error") != NULL)
		return vm_error_set(err, VM_E_UNAVAILABLE, "monitor_error",
		    "QEMU refuses %s: %s", command,
		    vm_json_string(value, "error.desc", "no reason given"));
	if (vm_json_get(value, "return") == NULL)
		return fail(err, "monitor_nonsense", "sends no result");
	if (result != NULL) {
		*result = vm_json_copy(vm_json_get(value, "return"));
		if (*result == NULL)
			return vm_error_nomem(err);
	}
	return 1;
}

static int
call(struct vm_qmp *qmp, const char *command, struct vm_json *arguments, int fd,
    uint64_t timeout_ms, struct vm_json **result, struct vm_error *err)
{
	uint64_t deadline_ms = vm_clock_ms() + timeout_ms;
	int rc = 0;

	if (send_command(qmp, command, arguments, fd, deadline_ms, err) == -1)
		return -1;
	while (rc == 0) {
		VM_CLEAN_JSON struct vm_json *value = read_value(qmp,
		    deadline_ms, err);

		if (value == NULL)
			return -1;
		rc = take_answer(qmp, command, value, result, err);
	}
	return rc == 1 ? 0 : -1;
}

int
vm_qmp_call(struct vm_qmp *qmp, const char *command, struct vm_json *arguments,
    uint64_t timeout_ms, struct vm_json **result, struct vm_error *err)
{
	return call(qmp, command, arguments, -1, timeout_ms, result, err);
}

int
vm_qmp_pass_fd(struct vm_qmp *qmp, int fd, uint64_t timeout_ms, int64_t *set,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *result = NULL;

	if (call(qmp, "add-fd", NULL, fd, timeout_ms, &result, err) == -1)
		return -1;
	*set = vm_json_int(result, "fdset-id", -1);
	if (*set < 0)
		return fail(err, "monitor_nonsense", "names no set");
	return 0;
}

int
vm_qmp_open(struct vm_qmp *qmp, int fd, int pidfd, uint64_t timeout_ms,
    struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp fresh = {
		.fd = fd, .pidfd = pidfd, .deaf = qmp->deaf
	};
	VM_CLEAN_JSON struct vm_json *greeting = NULL;
	uint64_t deadline_ms = vm_clock_ms() + timeout_ms, now;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		return vm_error_errno(err, errno, "monitor");
	if ((greeting = read_value(&fresh, deadline_ms, err)) == NULL)
		return -1;
	if (vm_json_get(greeting, "QMP") == NULL)
		return fail(err, "monitor_nonsense",
		    "does not greet as QEMU does");
	now = vm_clock_ms();
	if (vm_qmp_call(&fresh, "qmp_capabilities", NULL,
		deadline_ms > now ? deadline_ms - now : 0, NULL, err) == -1)
		return -1;
	*qmp = fresh;
	fresh = (struct vm_qmp)VM_QMP_CLOSED;
	return 0;
}

int
vm_qmp_connect(struct vm_qmp *qmp, int dir_fd, uint64_t timeout_ms,
    struct vm_error *err)
{
	int fd = vm_socket_connect(dir_fd, "qmp.sock", err);

	return fd == -1 ? -1 : vm_qmp_open(qmp, fd, -1, timeout_ms, err);
}

void
vm_qmp_close(struct vm_qmp *qmp)
{
	if (qmp->fd >= 0)
		close(qmp->fd);
	vm_buf_release(&qmp->in);
	*qmp = (struct vm_qmp)VM_QMP_CLOSED;
}

int
vm_qmp_check_uuid(struct vm_qmp *qmp, const char *uuid, uint64_t timeout_ms,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *result = NULL;
	const char *found;

	if (vm_qmp_call(qmp, "query-uuid", NULL, timeout_ms, &result, err) ==
	    -1)
		return -1;
	found = vm_json_string(result, "UUID", "");
	if (strcasecmp(found, uuid) != 0)
		return vm_error_set(err, VM_E_EXISTS, "foreign_monitor",
		    "the QEMU there runs another VM, of UUID %.40s", found);
	return 0;
}

int
vm_qmp_get_pid(struct vm_qmp *qmp, uint64_t timeout_ms, int *pid,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *cpus = NULL;
	VM_CLEAN_BUF struct vm_buf status = { 0 };
	char path[64];
	const char *line;
	long tgid;

	if (vm_qmp_call(qmp, "query-cpus-fast", NULL, timeout_ms, &cpus, err) ==
	    -1)
		return -1;
	snprintf(path, sizeof(path), "/proc/%lld/status",
	    (long long)vm_json_int(cpus, "0.thread-id", 0));
	if (vm_fd_read_file(AT_FDCWD, path, 65536, &status, err) == -1)
		return vm_error_wrap(err, "QEMU's process");
	line = strstr(status.data, "\nTgid:");
	tgid = line == NULL ? 0 : strtol(line + strlen("\nTgid:"), NULL, 10);
	if (tgid <= 1 || tgid > INT_MAX)
		return fail(err, "monitor_nonsense", "names no process");
	*pid = (int)tgid;
	return 0;
}
