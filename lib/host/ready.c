/* ready.c - see ready.h: the common part, and the console. */
#include "lib/host/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <sys/wait.h>

#include "lib/base/clean.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/size.h"

#define RETRY_MS 250
#define KEEP ((size_t)1024) /* a text may come in two pieces */

bool
vm_ready_has(const struct vm_buf *buf, const char *text)
{
	return buf->len > 0 &&
	    memmem(buf->data, buf->len, text, strlen(text)) != NULL;
}

void
vm_ready_retry(struct vm_ready *ready, uint64_t now_ms, const char *cause)
{
	vm_clean_fd(&ready->fd);
	ready->fd = -1;
	ready->is_sent = false;
	vm_buf_reset(&ready->in);
	ready->next_ms = now_ms + RETRY_MS;
	ready->cause = cause;
}

/* ---- serial ---- */

static int
step_serial(struct vm_ready *ready, uint64_t now_ms, struct vm_error *err)
{
	char data[16384];
	size_t got;

	(void)now_ms;
	if (ready->fd == -1) {
		ready->fd = vm_fd_open_regular(ready->dir_fd, "console.log",
		    err);
		if (ready->fd == -1)
			return vm_error_wrap(err, "console.log");
	}
	ready->cause = "the console does not show the text";
	do {
		if (vm_fd_read(ready->fd, data, sizeof(data), &got,
			"console.log", err) == -1 ||
		    vm_buf_add(&ready->in, data, got, err) == -1)
			return -1;
		if (vm_ready_has(&ready->in, ready->expect))
			return 1;
		if (ready->in.len > KEEP)
			vm_buf_consume(&ready->in, ready->in.len - KEEP);
	} while (got == sizeof(data));
	return 0;
}

static const struct vm_ready_kind serial = { "serial", step_serial };

/* ---- which kind ---- */

/* The host's port that leads to the guest's, as the record says. */
static uint16_t
find_port(const struct vm_json *record, int64_t guest)
{
	const struct vm_json *list = vm_json_get(record, "run.forwards");
	size_t i;

	for (i = 0; i < vm_json_count(list); i++) {
		const struct vm_json *forward = vm_json_at(list, i);

		if (vm_json_int(forward, "guest", 0) == guest)
			return (uint16_t)vm_json_int(forward, "host", 0);
	}
	return 0;
}

static int
init_port(struct vm_ready *ready, int64_t guest, struct vm_error *err)
{
	ready->port = find_port(ready->record, guest);
	if (ready->kind == &vm_ready_ssh)
		ready->port = (uint16_t)vm_json_int(ready->record, "ssh.port",
		    ready->port);
	if (ready->port != 0)
		return 0;
	return vm_error_set(err, VM_E_CONFIG, "ready_unreachable",
	    "ready.%s: no way to the guest's port %lld; give the role a "
	    "network {user: true}",
	    ready->kind->name, (long long)guest);
}

int
vm_ready_init(struct vm_ready *ready, const struct vm_json *record, int dir_fd,
    struct vm_error *err)
{
	const struct vm_json *spec = vm_json_get(record, "spec.ready");
	const char *timeout = vm_json_string(spec, "timeout", NULL);

	*ready = (struct vm_ready){ .record = record,
		.dir_fd = dir_fd,
		.timeout_ms = VM_READY_DEFAULT_MS,
		.begun_ms = vm_clock_ms(),
		.cause = "nothing was heard",
		.fd = -1,
		.pidfd = -1 };
	if (timeout != NULL &&
	    vm_size_parse_duration(timeout, &ready->timeout_ms, err) == -1)
		return vm_error_wrap(err, "spec.ready.timeout");
	if ((ready->expect = vm_json_string(spec, "serial", NULL)) != NULL) {
		ready->kind = &serial;
	} else if (vm_json_get(spec, "tcp") != NULL) {
		ready->kind = &vm_ready_tcp;
		ready->expect = vm_json_string(spec, "tcp.expect", NULL);
		return init_port(ready, vm_json_int(spec, "tcp.port", 0), err);
	} else if (vm_json_bool(spec, "ssh", false)) {
		ready->kind = &vm_ready_ssh;
		return init_port(ready, 22, err);
	} else if (vm_json_bool(spec, "agent", false)) {
		ready->kind = &vm_ready_agent;
	}
	return 0;
}

int
vm_ready_step(struct vm_ready *ready, struct vm_error *err)
{
	uint64_t now_ms = vm_clock_ms();

	if (ready->kind == NULL)
		return 1;
	if (now_ms < ready->next_ms)
		return 0;
	return ready->kind->step(ready, now_ms, err);
}

void
vm_ready_release(struct vm_ready *ready)
{
	if (ready->pidfd >= 0) {
		kill(ready->pid, SIGKILL);
		waitpid(ready->pid, NULL, 0);
		close(ready->pidfd);
	}
	vm_clean_fd(&ready->fd);
	vm_buf_release(&ready->in);
	*ready = (struct vm_ready){ .fd = -1, .pidfd = -1 };
}
