/* console.c - see console.h. */
#include "lib/host/console.h"

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/host/command.h"
#include "lib/qemu/socket.h"
#include "lib/store/vm.h"

#define TICK_MS 100
#define LINE_MAX_BYTES ((size_t)4096)

/* ---- attached ---- */

/* The terminal as it was, put back whatever happens (but SIGKILL). */
struct terminal {
	bool is_raw;
	struct termios before;
};

static void
make_raw(struct terminal *terminal)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &terminal->before) == -1)
		return;
	raw = terminal->before;
	cfmakeraw(&raw);
	terminal->is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void
restore(struct terminal *terminal)
{
	if (terminal->is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->before);
}

static int
send_all(int fd, const char *data, size_t len, struct vm_error *err)
{
	struct pollfd out = { .fd = fd, .events = POLLOUT };
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = send(fd, data + done, len - done, MSG_NOSIGNAL);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			poll(&out, 1, TICK_MS);
		else if (errno != EINTR)
			return vm_error_errno(err, errno, "console");
		if (vm_proc_check_stop(err) == -1)
			return -1;
	}
	return 0;
}

/* From stdin: 1 to go on, 0 at the escape; *in becomes -1 at its end. */
static int
pass_input(int fd, int *in, bool is_terminal, struct vm_error *err)
{
	char data[1024];
	const char *escape = NULL;
	ssize_t n = read(*in, data, sizeof(data));

	if (n == -1)
		return errno == EINTR || errno == EAGAIN ?
		    1 :
		    vm_error_errno(err, errno, "standard input");
	if (n == 0) {
		*in = -1;
		return 1;
	}
	if (is_terminal)
		escape = memchr(data, VM_CONSOLE_ESCAPE, (size_t)n);
	if (send_all(fd, data,
		escape != NULL ? (size_t)(escape - data) : (size_t)n,
		err) == -1)
		return -1;
	return escape == NULL;
}

/* From the console: 1 to go on, 0 when the VM has ended. */
static int
pass_output(int fd, struct vm_error *err)
{
	char data[4096];
	ssize_t n = recv(fd, data, sizeof(data), 0);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (n <= 0)
		return 0;
	return vm_fd_write(STDOUT_FILENO, data, (size_t)n, "standard output",
		   err) == -1 ?
	    -1 :
	    1;
}

static int
exchange(int fd, bool is_terminal, struct vm_error *err)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = fd, .events = POLLIN } };
	int rc = 1;

	while (rc == 1) {
		if (vm_proc_check_stop(err) == -1)
			return -1;
		if (poll(fds, 2, 1000) == -1) {
			if (errno != EINTR)
				return vm_error_errno(err, errno, "poll");
			continue;
		}
		if (fds[1].revents != 0)
			rc = pass_output(fd, err);
		if (rc == 1 && fds[0].revents != 0)
			rc = pass_input(fd, &fds[0].fd, is_terminal, err);
	}
	return rc;
}

/* The directory of a VM; what is no VM is said as everywhere. */
static int
open_vm(struct vm_store *store, const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;
	struct vm_error cause = { 0 };

	/* A damaged record is in nobody's way here. */
	record = vm_vm_load(store, name, false, &cause);
	if (record == NULL && cause.kind != VM_E_DATA) {
		*err = cause;
		return -1;
	}
	return vm_store_open_object(store, VM_STORE_VMS, name, err);
}

int
vm_console_attach(struct vm_store *store, const char *name,
    struct vm_error *err)
{
	VM_CLEAN(restore) struct terminal terminal = { 0 };
	VM_CLEAN_FD int dir = open_vm(store, name, err);
	VM_CLEAN_FD int lock = -1;
	VM_CLEAN_FD int fd = -1;
	int busy;

	if (dir == -1 || (busy = vm_vm_is_busy(store, name, err)) == -1)
		return -1;
	if (busy == 0) {
		vm_error_set(err, VM_E_UNAVAILABLE, "not_running",
		    "%s: does not run", name);
		return vm_error_hint(err, "vmconsole --log %s", name);
	}
	lock = vm_lock_take(dir, "console.lock", false, true, VM_LOCK_NO_WAIT,
	    err);
	if (lock == -1 && err->kind == VM_E_TRY_AGAIN) {
		vm_error_set(err, VM_E_TRY_AGAIN, "console_in_use",
		    "%s: somebody else is attached to its console", name);
		return vm_error_hint(err, "vmconsole --log -f %s", name);
	}
	if (lock == -1)
		return -1;
	fd = vm_socket_connect(dir, vm_command_sockets[VM_COMMAND_CONSOLE],
	    err);
	if (fd == -1)
		return vm_error_wrap(err, "%s", name);
	if (isatty(STDIN_FILENO)) {
		vm_log(VM_LOG_WARN, "attached to %s; ctrl-] detaches", name);
		make_raw(&terminal);
	}
	return exchange(fd, terminal.is_raw, err);
}

/* ---- the log ---- */

/* Lines for a terminal; what is not yet a whole one stays in buf. */
static int
print_lines(struct vm_buf *buf, bool is_end, struct vm_error *err)
{
	char text[4 * LINE_MAX_BYTES];

	while (buf->len > 0) {
		char *end = memchr(buf->data, '\n', buf->len);
		size_t len = end != NULL ? (size_t)(end - buf->data) : buf->len;
		size_t used = end != NULL ? len + 1 : len, shown;

		if (end == NULL && !is_end && len < LINE_MAX_BYTES)
			return 0;
		while (len > 0 && buf->data[len - 1] == '\r')
			len--;
		buf->data[len] = '\0';
		vm_log_escape(buf->data, text, sizeof(text) - 1);
		shown = strlen(text);
		text[shown++] = '\n';
		if (vm_fd_write(STDOUT_FILENO, text, shown, "standard output",
			err) == -1)
			return -1;
		vm_buf_consume(buf, used);
	}
	return 0;
}

static int
print_some(int fd, bool is_terminal, struct vm_buf *line, size_t *got,
    struct vm_error *err)
{
	char data[LINE_MAX_BYTES];

	if (vm_fd_read(fd, data, sizeof(data), got, "console.log", err) == -1)
		return -1;
	if (!is_terminal)
		return vm_fd_write(STDOUT_FILENO, data, *got, "standard output",
		    err);
	if (vm_buf_add(line, data, *got, err) == -1)
		return -1;
	return print_lines(line, false, err);
}

int
vm_console_print_log(struct vm_store *store, const char *name, bool follow,
    struct vm_error *err)
{
	VM_CLEAN_FD int dir = open_vm(store, name, err);
	VM_CLEAN_FD int fd = -1;
	VM_CLEAN_BUF struct vm_buf line = { 0 };
	bool is_terminal = isatty(STDOUT_FILENO);
	int busy = 1;
	size_t got;

	if (dir == -1)
		return -1;
	if ((fd = vm_fd_open_regular(dir, "console.log", err)) == -1) {
		if (err->kind != VM_E_NO_INPUT)
			return -1;
		vm_error_set(err, VM_E_NO_INPUT, "no_log",
		    "%s: has no log yet: it has never been started", name);
		return vm_error_hint(err, "vmdeploy %s", name);
	}
	do {
		/* Asked before reading, so that the last words are read. */
		if (follow && (busy = vm_vm_is_busy(store, name, err)) == -1)
			return -1;
		do {
			if (vm_proc_check_stop(err) == -1 ||
			    print_some(fd, is_terminal, &line, &got, err) == -1)
				return -1;
		} while (got > 0);
		if (follow && busy == 1)
			poll(NULL, 0, TICK_MS);
	} while (follow && busy == 1);
	return print_lines(&line, true, err);
}
