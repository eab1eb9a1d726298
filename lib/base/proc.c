#include "lib/base/proc.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"

#define ERR_TAIL ((size_t)64 << 10)
#define OUT_DEFAULT ((size_t)1 << 20)

static atomic_int stop_signal; /* lock-free; other threads read it too */

static void
note_stop(int signo)
{
	stop_signal = signo;
}

void
vm_proc_catch_signals(void)
{
	struct sigaction sa = { .sa_handler = note_stop };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGXFSZ, &sa, NULL);
}

int
vm_proc_stopped(void)
{
	return stop_signal;
}

int
vm_proc_check_stop(struct vm_error *err)
{
	if (stop_signal == 0)
		return 0;
	return vm_error_set(err, VM_E_INTERRUPTED, "interrupted",
	    "stopped by signal %d (%s)", (int)stop_signal,
	    strsignal(stop_signal));
}

/* ---- the child, between fork and exec: async-signal-safe calls only ---- */

static void
reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	int signo;

	for (signo = 1; signo < NSIG; signo++)
		sigaction(signo, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
set_limit(int resource, uint64_t value)
{
	struct rlimit limit = { .rlim_cur = value, .rlim_max = value };

	return value == 0 ? 0 :
			    setrlimit((__rlimit_resource_t)resource, &limit);
}

static int
set_limits(const struct vm_proc_options *options)
{
	if (set_limit(RLIMIT_AS, options->limit_address_bytes) == -1 ||
	    set_limit(RLIMIT_CPU, options->limit_cpu_s) == -1 ||
	    set_limit(RLIMIT_FSIZE, options->limit_file_bytes) == -1)
		return -1;
	return 0;
}

/* Put the three descriptors in their places, whatever numbers they have. */
static int
place_standard(const int fds[3])
{
	int high[3], i;

	for (i = 0; i < 3; i++) {
		if ((high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3)) == -1)
			return -1;
	}
	for (i = 0; i < 3; i++) {
		if (dup2(high[i], i) == -1)
			return -1;
	}
	return 0;
}

static int
keep_descriptors(const struct vm_proc_options *options)
{
	size_t i;

	for (i = 0; i < options->keep_count; i++) {
		if (fcntl(options->keep_fds[i], F_SETFD, 0) == -1)
			return -1;
	}
	return 0;
}

static _Noreturn void
run_child(const struct vm_proc_options *options, const int fds[3], int report,
    pid_t parent, char *const *env)
{
	int errnum;

	if (options->detach)
		setsid();
	else if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent)
		_exit(127);
	reset_signals();
	if (place_standard(fds) == 0 &&
	    syscall(SYS_close_range, 3, UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0 &&
	    keep_descriptors(options) == 0 && set_limits(options) == 0 &&
	    (options->prepare == NULL ||
		options->prepare(options->prepare_arg) == 0))
		execvpe(options->argv[0],
		    (char *const *)(uintptr_t)options->argv, env);
	errnum = errno;
	if (write(report, &errnum, sizeof(errnum)) == -1)
		_exit(126);
	_exit(127);
}

/* ---- the parent ---- */

/* environ with the options' variables in front (the first one wins in exec'd
 * programs' getenv), as a vector of borrowed strings. */
static char **
build_env(const struct vm_proc_options *options)
{
	char **inherited = environ, **env;
	size_t added = 0, have = 0, i, n = 0;

	while (options->env != NULL && options->env[added] != NULL)
		added++;
	while (inherited != NULL && inherited[have] != NULL)
		have++;
	if ((env = calloc(added + have + 1, sizeof(*env))) == NULL)
		return NULL;
	for (i = 0; i < added; i++)
		env[n++] = (char *)(uintptr_t)options->env[i];
	for (i = 0; i < have; i++)
		env[n++] = inherited[i];
	return env;
}

/* Read the child's report of a failed exec; success is end of file. */
static int
check_report(int fd, const char *program, struct vm_error *err)
{
	int errnum;
	size_t got;

	if (vm_fd_read(fd, &errnum, sizeof(errnum), &got, program, err) == -1)
		return -1;
	if (got != sizeof(errnum))
		return 0;
	if (errnum == ENOENT)
		return vm_error_set(err, VM_E_UNAVAILABLE, "no_program",
		    "%s: program not found", program);
	return vm_error_errno(err, errnum, "%s: cannot be run", program);
}

static pid_t
spawn(const struct vm_proc_options *options, const int fds[3],
    struct vm_error *err)
{
	VM_CLEAN_FREE char **env = build_env(options);
	VM_CLEAN_FD int from = -1;
	VM_CLEAN_FD int to = -1;
	pid_t pid, parent = getpid();
	int pipefd[2];

	if (env == NULL)
		return vm_error_nomem(err);
	if (pipe2(pipefd, O_CLOEXEC) == -1)
		return vm_error_errno(err, errno, "pipe");
	from = pipefd[0];
	/* high, so that placing 0..2 and keeping others cannot hit it */
	to = fcntl(pipefd[1], F_DUPFD_CLOEXEC, 64);
	if (to == -1)
		to = pipefd[1];
	else
		close(pipefd[1]);
	if ((pid = fork()) == -1)
		return vm_error_errno(err, errno, "fork");
	if (pid == 0)
		run_child(options, fds, to, parent, env);
	close(VM_TAKE_FD(to));
	if (check_report(from, options->argv[0], err) == -1) {
		waitpid(pid, NULL, 0);
		return -1;
	}
	return pid;
}

/* A given descriptor, or /dev/null (then *opened is ours to close). */
static int
choose_fd(int given, int *opened, struct vm_error *err)
{
	if (given >= 0)
		return given;
	if ((*opened = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1)
		return vm_error_errno(err, errno, "/dev/null");
	return *opened;
}

int
vm_proc_start(const struct vm_proc_options *options, pid_t *pid,
    struct vm_error *err)
{
	VM_CLEAN_FD int null = -1;
	int fds[3], pidfd;
	pid_t child;

	if (choose_fd(-1, &null, err) == -1)
		return -1;
	fds[0] = options->stdin_fd >= 0 ? options->stdin_fd : null;
	fds[1] = options->stdout_fd >= 0 ? options->stdout_fd : null;
	fds[2] = options->stderr_fd >= 0 ? options->stderr_fd : null;
	if ((child = spawn(options, fds, err)) == -1)
		return -1;
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	if (pidfd == -1) {
		vm_error_errno(err, errno, "pidfd_open");
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		return -1;
	}
	*pid = child;
	return pidfd;
}

/* Where a captured stream comes from, and what was read of it. */
struct capture {
	int fd; /* read end; -1 when ended */
	struct vm_buf *buf;
	size_t max;
	bool keep_tail; /* drop the oldest instead of failing */
};

static int
read_some(struct capture *capture, struct vm_error *err)
{
	char data[8192];
	ssize_t n = read(capture->fd, data, sizeof(data));

	if (n == -1)
		return errno == EINTR || errno == EAGAIN ?
		    0 :
		    vm_error_errno(err, errno, "read from child");
	if (n == 0) {
		close(VM_TAKE_FD(capture->fd));
		return 0;
	}
	if (capture->buf->len + (size_t)n > capture->max) {
		if (!capture->keep_tail)
			return vm_error_set(err, VM_E_PROTOCOL, "too_large",
			    "more than %zu bytes of output", capture->max);
		vm_buf_consume(capture->buf, (size_t)n);
	}
	return vm_buf_add(capture->buf, data, (size_t)n, err);
}

/* Collect output until both streams have ended, in the time there is. */
static int
collect(struct capture captures[2], const struct vm_proc_options *options,
    uint64_t deadline_ms, bool *timed_out, struct vm_error *err)
{
	struct pollfd polls[2];
	uint64_t now;
	int i;

	while (captures[0].fd >= 0 || captures[1].fd >= 0) {
		for (i = 0; i < 2; i++) {
			polls[i].fd = captures[i].fd;
			polls[i].events = POLLIN;
			polls[i].revents = 0;
		}
		now = vm_clock_ms();
		if (deadline_ms != 0 && now >= deadline_ms) {
			*timed_out = true;
			return 0;
		}
		if (!options->detach && vm_proc_check_stop(err) == -1)
			return -1;
		if (poll(polls, 2,
			deadline_ms == 0 || deadline_ms - now > 1000 ?
			    1000 :
			    (int)(deadline_ms - now)) == -1 &&
		    errno != EINTR)
			return vm_error_errno(err, errno, "poll");
		for (i = 0; i < 2; i++) {
			if (polls[i].revents != 0 &&
			    read_some(&captures[i], err) == -1)
				return -1;
		}
	}
	return 0;
}

/* Wait for the child's end; kill it when asked or when its time is over. */
static void
reap(pid_t pid, bool now, uint64_t deadline_ms, struct vm_proc_result *result)
{
	int status = 0;
	pid_t got;

	while (!now && deadline_ms != 0) {
		got = waitpid(pid, &status, WNOHANG);
		if (got == pid)
			break;
		if (vm_clock_ms() >= deadline_ms) {
			result->timed_out = true;
			now = true;
		} else {
			vm_clock_wait(2);
		}
	}
	if (now)
		kill(pid, SIGKILL);
	if (now || deadline_ms == 0) {
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			continue;
	}
	result->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
					       WEXITSTATUS(status);
}

static int
make_pipe(int given, int *read_end, int *write_end, struct vm_error *err)
{
	int fds[2];

	*read_end = -1;
	*write_end = given;
	if (given >= 0)
		return 0;
	if (pipe2(fds, O_CLOEXEC) == -1)
		return vm_error_errno(err, errno, "pipe");
	*read_end = fds[0];
	*write_end = fds[1];
	return 0;
}

/* Start it with its streams captured; the write ends are closed again. */
static pid_t
start_captured(const struct vm_proc_options *options,
    struct capture captures[2], struct vm_error *err)
{
	VM_CLEAN_FD int null = -1;
	int fds[3], given[2] = { options->stdout_fd, options->stderr_fd }, i;
	pid_t pid = -1;

	if ((fds[0] = choose_fd(options->stdin_fd, &null, err)) == -1)
		return -1;
	if (make_pipe(given[0], &captures[0].fd, &fds[1], err) == -1)
		return -1;
	if (make_pipe(given[1], &captures[1].fd, &fds[2], err) == 0)
		pid = spawn(options, fds, err);
	else
		fds[2] = given[1];
	for (i = 0; i < 2; i++) {
		if (given[i] < 0 && fds[i + 1] >= 0)
			close(fds[i + 1]);
	}
	return pid;
}

int
vm_proc_run(const struct vm_proc_options *options,
    struct vm_proc_result *result, struct vm_error *err)
{
	VM_CLEAN_FD int out = -1;
	VM_CLEAN_FD int errs = -1;
	struct capture captures[2] = {
		{ .fd = -1,
		    .buf = &result->out,
		    .max = options->output_max != 0 ? options->output_max :
						      OUT_DEFAULT },
		{ .fd = -1,
		    .buf = &result->err,
		    .max = ERR_TAIL,
		    .keep_tail = true },
	};
	uint64_t deadline_ms = options->timeout_ms == 0 ?
	    0 :
	    vm_clock_ms() + options->timeout_ms;
	pid_t pid;
	int rc;

	pid = start_captured(options, captures, err);
	rc = pid == -1 ?
	    -1 :
	    collect(captures, options, deadline_ms, &result->timed_out, err);
	out = captures[0].fd;
	errs = captures[1].fd;
	if (pid == -1)
		return -1;
	reap(pid, rc == -1 || result->timed_out, deadline_ms, result);
	if (rc == -1)
		return vm_error_wrap(err, "%s", options->argv[0]);
	if (result->timed_out)
		return vm_error_set(err, VM_E_TRY_AGAIN, "timeout",
		    "%s: not done after %llu s", options->argv[0],
		    (unsigned long long)options->timeout_ms / 1000);
	return 0;
}

/* The last line that says something. */
static const char *
last_line(struct vm_buf *text, char *out, size_t size)
{
	size_t end = text->len, start;

	while (end > 0 &&
	    (text->data[end - 1] == '\n' || text->data[end - 1] == '\r'))
		end--;
	for (start = end; start > 0 && text->data[start - 1] != '\n';)
		start--;
	snprintf(out, size, "%.*s", (int)(end - start),
	    text->data != NULL ? text->data + start : "");
	return out;
}

int
vm_proc_run_ok(const struct vm_proc_options *options,
    struct vm_proc_result *result, struct vm_error *err)
{
	char line[512];

	if (vm_proc_run(options, result, err) == -1)
		return -1;
	if (result->status == 0)
		return 0;
	last_line(&result->err, line, sizeof(line));
	if (result->status > 128)
		return vm_error_set(err, VM_E_UNAVAILABLE, "program_failed",
		    "%s: killed by signal %d%s%s", options->argv[0],
		    result->status - 128, line[0] != '\0' ? ": " : "", line);
	return vm_error_set(err, VM_E_UNAVAILABLE, "program_failed",
	    "%s: status %d%s%s", options->argv[0], result->status,
	    line[0] != '\0' ? ": " : "", line);
}

void
vm_proc_release(struct vm_proc_result *result)
{
	vm_buf_release(&result->out);
	vm_buf_release(&result->err);
}

bool
vm_proc_has_program(const char *name)
{
	const char *path = getenv("PATH"), *next;
	char file[PATH_MAX];
	size_t len;

	if (strchr(name, '/') != NULL)
		return access(name, X_OK) == 0;
	if (path == NULL)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (;; path = next + 1) {
		next = strchrnul(path, ':');
		len = (size_t)(next - path);
		if (len > 0 &&
		    snprintf(file, sizeof(file), "%.*s/%s", (int)len, path,
			name) < (int)sizeof(file) &&
		    access(file, X_OK) == 0)
			return true;
		if (*next == '\0')
			return false;
	}
}
