#include "lib/source/ssh.h"

#include <sys/wait.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/proc.h"
#include "lib/source/ssh_url.h"

#define STALL_MS 30000
#define POLL_MS 200
#define BLOCK ((size_t)256 << 10)
#define HEADER_MAX 64
#define TAIL_MAX 8192
#define SSH_FAILED 255 /* ssh's own exit status for what is not the command's */

struct transfer {
	const struct vm_ssh_request *request;
	const struct vm_http_sink *sink;
	struct vm_ssh_url url;
	struct vm_http_reply reply;
	pid_t pid; /* 0: none */
	int out, errs;
	char header[HEADER_MAX];
	size_t header_len;
	bool begun;
	uint64_t position;   /* of the next byte in the file */
	struct vm_buf tail;  /* the last that ssh had to say */
	uint64_t last_ms;    /* when something came */
	unsigned char *data; /* BLOCK */
};

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(VM_TAKE_FD(*fd));
}

static void
release(struct transfer *t)
{
	close_fd(&t->out);
	close_fd(&t->errs);
	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		while (waitpid(t->pid, NULL, 0) == -1 && errno == EINTR)
			continue;
	}
	free(t->data);
	vm_buf_release(&t->tail);
	vm_ssh_url_release(&t->url);
}

bool
vm_ssh_is_url(const char *text)
{
	return strncmp(text, "ssh://", 6) == 0;
}

int
vm_ssh_check(const char *text, struct vm_error *err)
{
	struct vm_ssh_url url VM_CLEAN_SSH_URL = { 0 };

	return vm_ssh_url_parse(text, &url, err);
}

/* --- ssh itself ---------------------------------------------------------- */

static int
run_ssh(struct transfer *t, int out, int errs, struct vm_error *err)
{
	char *command VM_CLEAN_FREE = vm_ssh_url_command(&t->url,
	    t->request->offset, err);
	const char *argv[40] = { "ssh", "-T", "-x", "-a", "-o", "BatchMode=yes",
		"-o", "ControlMaster=no", "-o", "ClearAllForwardings=yes", "-o",
		"RemoteCommand=none", "-o", "LogLevel=ERROR", "-o",
		"ConnectTimeout=30", "-o", "ServerAliveInterval=15" };
	size_t count = 18;
	const struct vm_proc_options options = { .argv = argv,
		.stdin_fd = -1,
		.stdout_fd = out,
		.stderr_fd = errs };
	int pidfd;

	if (command == NULL)
		return -1;
	if (!t->request->pinned) {
		argv[count++] = "-o";
		argv[count++] = "StrictHostKeyChecking=yes";
	}
	if (t->url.port[0] != '\0') {
		argv[count++] = "-p";
		argv[count++] = t->url.port;
	}
	if (t->url.user[0] != '\0') {
		argv[count++] = "-l";
		argv[count++] = t->url.user;
	}
	argv[count++] = "--";
	argv[count++] = t->url.host;
	argv[count] = command;
	pidfd = vm_proc_start(&options, &t->pid, err);
	if (pidfd == -1)
		return vm_error_hint(err, "apt-get install openssh-client");
	close(pidfd);
	return 0;
}

static int
start(struct transfer *t, struct vm_error *err)
{
	VM_CLEAN_FD int out = -1;
	VM_CLEAN_FD int errs = -1;
	int fds[2];

	t->data = malloc(BLOCK);
	if (t->data == NULL)
		return vm_error_nomem(err);
	if (pipe2(fds, O_CLOEXEC) == -1)
		return vm_error_errno(err, errno, "pipe");
	t->out = fds[0];
	out = fds[1];
	(void)fcntl(t->out, F_SETPIPE_SZ, (int)BLOCK); /* fewer switches */
	if (pipe2(fds, O_CLOEXEC) == -1)
		return vm_error_errno(err, errno, "pipe");
	t->errs = fds[0];
	errs = fds[1];
	/* Whoever else may keep it open must not keep us. */
	if (fcntl(t->errs, F_SETFL, O_NONBLOCK) == -1)
		return vm_error_errno(err, errno, "pipe");
	t->last_ms = vm_clock_ms();
	return run_ssh(t, out, errs, err);
}

/* --- what comes ---------------------------------------------------------- */

static int
fail_restart(const struct transfer *t, struct vm_error *err)
{
	return vm_error_set(err, VM_E_UNAVAILABLE, "restart",
	    "%s: the file has changed, or cannot be continued",
	    t->request->url);
}

/* The length, then; any other line is from the other side's login scripts. */
static int
begin(struct transfer *t, struct vm_error *err)
{
	const char *from = t->header;
	uint64_t length;
	char *end;

	while (*from == ' ')
		from++;
	errno = 0;
	length = strtoull(from, &end, 10);
	if (!isdigit((unsigned char)*from) || *end != '\0' || errno != 0)
		return vm_error_set(err, VM_E_PROTOCOL, "remote_command",
		    "%s: \"%.60s\" came instead of the file's length: does a "
		    "login script there print something?",
		    t->request->url, from);
	if (t->position > length ||
	    (t->request->length != 0 && t->request->length != VM_HTTP_UNKNOWN &&
		t->request->length != length))
		return fail_restart(t, err);
	t->begun = true;
	t->reply.length = length;
	return t->sink->begin(t->sink->context, &t->reply, err);
}

static int
deliver(struct transfer *t, const unsigned char *data, size_t len,
    struct vm_error *err)
{
	if (len > t->reply.length - t->position)
		return vm_error_set(err, VM_E_TRY_AGAIN, "changed",
		    "%s: it was changed while it was read", t->request->url);
	if (len == 0)
		return 0;
	t->position += len;
	return t->sink->data(t->sink->context, data, len, err);
}

static int
take_data(struct transfer *t, size_t len, struct vm_error *err)
{
	size_t used = 0;

	while (!t->begun && used < len) {
		char c = (char)t->data[used++];

		if (c != '\n' && t->header_len < HEADER_MAX - 1) {
			t->header[t->header_len++] = c;
			continue;
		}
		t->header[t->header_len] = '\0';
		if (begin(t, err) == -1)
			return -1;
	}
	return deliver(t, t->data + used, len - used, err);
}

/* Keep the end of what it says. */
static void
read_words(struct transfer *t)
{
	char data[1024];
	ssize_t got;

	while (t->errs >= 0 && (got = read(t->errs, data, sizeof(data))) != 0) {
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return;
		if (t->tail.len + (size_t)got > TAIL_MAX)
			vm_buf_consume(&t->tail, t->tail.len / 2);
		if (vm_buf_add(&t->tail, data, (size_t)got, NULL) == -1)
			break;
	}
	close_fd(&t->errs);
}

static int
check_patience(const struct transfer *t, struct vm_error *err)
{
	uint64_t stall = t->request->stall_ms;

	if (vm_proc_check_stop(err) == -1)
		return -1;
	if (t->request->stop != NULL && atomic_load(t->request->stop))
		return vm_error_set(err, VM_E_UNAVAILABLE, "stopped",
		    "stopped");
	if (vm_clock_ms() - t->last_ms < (stall == 0 ? STALL_MS : stall))
		return 0;
	return vm_error_set(err, VM_E_UNAVAILABLE, "stalled",
	    "%s: nothing came any more", t->request->url);
}

static int
read_all(struct transfer *t, struct vm_error *err)
{
	ssize_t got;

	for (;;) {
		struct pollfd fds[2] = { { .fd = t->out, .events = POLLIN },
			{ .fd = t->errs, .events = POLLIN } };

		if (check_patience(t, err) == -1)
			return -1;
		if (poll(fds, 2, POLL_MS) <= 0)
			continue;
		if (fds[1].revents != 0)
			read_words(t);
		if (fds[0].revents == 0)
			continue;
		got = read(t->out, t->data, BLOCK);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return vm_error_errno(err, errno, "read from ssh");
		if (got == 0)
			return 0;
		if (take_data(t, (size_t)got, err) == -1)
			return -1;
		t->last_ms = vm_clock_ms(); /* the sink may have waited */
	}
}

/* --- how it ended -------------------------------------------------------- */

static int
wait_for_end(struct transfer *t, int *status, struct vm_error *err)
{
	pid_t ended;

	while ((ended = waitpid(t->pid, status, WNOHANG)) == 0 ||
	    (ended == -1 && errno == EINTR)) {
		if (check_patience(t, err) == -1)
			return -1;
		vm_clock_wait(2);
	}
	t->pid = 0;
	read_words(t);
	*status = WIFSIGNALED(*status) ? 128 + WTERMSIG(*status) :
					 WEXITSTATUS(*status);
	return 0;
}

static const char *
last_line(struct vm_buf *tail)
{
	char *line;

	if (tail->data == NULL)
		return "it says nothing";
	while (tail->len > 0 &&
	    isspace((unsigned char)tail->data[tail->len - 1]))
		tail->data[--tail->len] = '\0';
	line = strrchr(tail->data, '\n');
	line = line == NULL ? tail->data : line + 1;
	for (char *c = line; *c != '\0'; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	return line;
}

static bool
says(const struct transfer *t, const char *words)
{
	return t->tail.data != NULL && strstr(t->tail.data, words) != NULL;
}

/* ssh itself gave up; its words are in its sshconnect*.c. */
static int
fail_ssh(struct transfer *t, struct vm_error *err)
{
	const char *url = t->request->url, *host = t->url.host;
	const char *at = t->url.user[0] == '\0' ? "" : "@";
	const char *port = t->url.port[0] == '\0' ? "22" : t->url.port;

	if (says(t, "REMOTE HOST IDENTIFICATION HAS CHANGED")) {
		vm_error_set(err, VM_E_DENIED, "host_key",
		    "%s: the host's key is not the one that ssh knows: it was "
		    "set up anew, or somebody is in between",
		    url);
		return vm_error_hint(err,
		    "ssh-keygen -R '[%s]:%s' when you know why", host, port);
	}
	if (says(t, "Host key verification failed")) {
		vm_error_set(err, VM_E_DENIED, "host_key",
		    "%s: ssh does not know the host's key yet", url);
		return vm_error_hint(err, "ssh -p %s %s%s%s true", port,
		    t->url.user, at, host);
	}
	if (says(t, "Permission denied") ||
	    says(t, "Too many authentication")) {
		vm_error_set(err, VM_E_DENIED, "forbidden",
		    "%s: the host does not let us in: %s", url,
		    last_line(&t->tail));
		return vm_error_hint(err, "ssh-copy-id -p %s %s%s%s", port,
		    t->url.user, at, host);
	}
	return vm_error_set(err, VM_E_UNAVAILABLE,
	    t->begun			    ? "connection_lost" :
		says(t, "resolve hostname") ? "resolve" :
					      "connect",
	    "%s: %s", url, last_line(&t->tail));
}

static int
check_end(struct transfer *t, int status, struct vm_error *err)
{
	const char *url = t->request->url;

	switch (status) {
	case 0:
		break;
	case SSH_FAILED:
		return fail_ssh(t, err);
	case VM_E_NO_INPUT:
		return vm_error_set(err, VM_E_NO_INPUT, "not_found",
		    "%s: there is no such file", url);
	case VM_E_DATA:
		return vm_error_set(err, VM_E_DENIED, "not_regular",
		    "%s: not a regular file", url);
	case VM_E_DENIED:
		return vm_error_set(err, VM_E_DENIED, "permission",
		    "%s: may not be read by that user", url);
	default:
		return vm_error_set(err, VM_E_PROTOCOL, "remote_command",
		    "%s: the command on the other side ended with %d: %s", url,
		    status, last_line(&t->tail));
	}
	if (!t->begun)
		return vm_error_set(err, VM_E_PROTOCOL, "remote_command",
		    "%s: nothing came, and no failure was told", url);
	if (t->position < t->reply.length)
		return vm_error_set(err, VM_E_TRY_AGAIN, "changed",
		    "%s: it became shorter while it was read", url);
	return 0;
}

int
vm_ssh_get(const struct vm_ssh_request *request,
    const struct vm_http_sink *sink, struct vm_http_reply *reply,
    struct vm_error *err)
{
	struct transfer t VM_CLEAN(release) = { .request = request,
		.sink = sink,
		.out = -1,
		.errs = -1,
		.position = request->offset };
	int status = 0;

	if (vm_ssh_url_parse(request->url, &t.url, err) == -1 ||
	    start(&t, err) == -1 || read_all(&t, err) == -1 ||
	    wait_for_end(&t, &status, err) == -1 ||
	    vm_proc_check_stop(err) == -1 || /* ^C is for ssh too */
	    check_end(&t, status, err) == -1)
		return -1;
	*reply = t.reply;
	return 0;
}
