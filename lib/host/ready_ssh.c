/* ready_ssh.c - see ready.h: sshd, with the host key of the record. */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clean.h"
#include "lib/base/proc.h"
#include "lib/host/login.h"
#include "lib/qemu/process.h"
#include "lib/host/ready.h"

/*
 * A key exchange takes a guest under emulation a while; sshd's own limit is
 * LoginGraceTime, 120 s.
 */
#define ATTEMPT_MS 60000
#define STDERR_MAX ((size_t)65536)

static int
enter_directory(void *arg)
{
	return fchdir(*(const int *)arg);
}

/*
 * Start ssh with no way of logging in: it ends with "Permission denied" once
 * the host has proved its key, and with another message before.
 */
static int
start_ssh(struct vm_ready *ready, uint64_t now_ms, struct vm_error *err)
{
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	VM_CLEAN_FD int out = -1;
	struct vm_proc_options options = { .stdin_fd = -1,
		.stdout_fd = -1,
		.prepare = enter_directory,
		.prepare_arg = &ready->dir_fd };
	int fds[2];

	if (vm_argv_add(&argv, err, "ssh", "-F", "none", "-T", "-o",
		"BatchMode=yes", "-o", "PreferredAuthentications=none", "-o",
		"ConnectTimeout=50", (char *)NULL) == -1 ||
	    vm_login_add_options(&argv, ready->record, "known_hosts", err) ==
		-1 ||
	    vm_argv_add(&argv, err, "--",
		vm_json_string(ready->record, "ssh.host", "127.0.0.1"), "true",
		(char *)NULL) == -1)
		return -1;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1)
		return vm_error_errno(err, errno, "pipe");
	ready->fd = fds[0];
	out = fds[1];
	options.argv = (const char *const *)argv.items;
	options.stderr_fd = out;
	ready->pidfd = vm_proc_start(&options, &ready->pid, err);
	if (ready->pidfd == -1)
		return vm_error_hint(err, "apt-get install openssh-client");
	ready->give_up_ms = now_ms + ATTEMPT_MS;
	ready->cause = "sshd has not proved its host key yet";
	return 0;
}

static int
read_stderr(struct vm_ready *ready, struct vm_error *err)
{
	char data[4096];
	ssize_t n;

	while ((n = read(ready->fd, data, sizeof(data))) > 0) {
		if (ready->in.len < STDERR_MAX &&
		    vm_buf_add(&ready->in, data, (size_t)n, err) == -1)
			return -1;
	}
	return 0;
}

/* ssh has ended: what did it find? */
static int
judge(struct vm_ready *ready, int status, uint64_t now_ms, struct vm_error *err)
{
	const struct vm_buf *said = &ready->in;

	if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
	    vm_ready_has(said, "Permission denied"))
		return 1;
	if (vm_ready_has(said, "Host key verification failed"))
		return vm_error_set(err, VM_E_DENIED, "host_key_mismatch",
		    "ssh: the host key of what answers at port %u is not the "
		    "one in the record",
		    ready->port);
	vm_ready_retry(ready, now_ms,
	    "sshd ends the connection before it has proved its key");
	ready->has_banner = false;
	return 0;
}

static int
step_ssh(struct vm_ready *ready, uint64_t now_ms, struct vm_error *err)
{
	int status, rc;

	if (!ready->has_banner) {
		rc = vm_ready_step_stream(ready, "SSH-", now_ms, err);
		ready->has_banner = rc == 1;
		ready->next_ms = ready->has_banner ? 0 : ready->next_ms;
		return rc == -1 ? -1 : 0;
	}
	if (ready->pidfd == -1)
		return start_ssh(ready, now_ms, err);
	if (read_stderr(ready, err) == -1)
		return -1;
	if (!vm_process_has_ended(ready->pidfd)) {
		if (now_ms > ready->give_up_ms)
			kill(ready->pid, SIGKILL);
		return 0;
	}
	if (waitpid(ready->pid, &status, 0) == -1)
		return vm_error_errno(err, errno, "ssh");
	close(VM_TAKE_FD(ready->pidfd));
	if (read_stderr(ready, err) == -1)
		return -1;
	return judge(ready, status, now_ms, err);
}

const struct vm_ready_kind vm_ready_ssh = { "ssh", step_ssh };
