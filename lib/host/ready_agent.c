/* ready_agent.c - see ready.h: the guest agent. */
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clean.h"
#include "lib/host/command.h"
#include "lib/host/ready.h"
#include "lib/qemu/socket.h"

/* What is sent before the agent runs may wait for it or be lost. */
#define ATTEMPT_MS 2000
#define ANSWER_MAX ((size_t)65536)

/*
 * 0xff makes the agent's parser drop what an earlier client has left there;
 * the number in the answer tells ours from an earlier one (qemu-ga-ref).
 */
static int
ask(struct vm_ready *ready, uint64_t now_ms, struct vm_error *err)
{
	char text[128];
	int n;

	ready->fd = vm_socket_connect(ready->dir_fd,
	    vm_command_sockets[VM_COMMAND_AGENT], err);
	if (ready->fd == -1) {
		if (err->kind != VM_E_UNAVAILABLE)
			return -1;
		vm_error_clear(err);
		vm_ready_retry(ready, now_ms, "its channel is not there");
		return 0;
	}
	ready->id = (int64_t)(now_ms & 0x7fffffff);
	n = snprintf(text, sizeof(text),
	    "\xff{\"execute\":\"guest-sync\",\"arguments\":{\"id\":%lld}}\n",
	    (long long)ready->id);
	if (send(ready->fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		vm_ready_retry(ready, now_ms, "its channel takes nothing");
	ready->give_up_ms = now_ms + ATTEMPT_MS;
	return 0;
}

static int
step_agent(struct vm_ready *ready, uint64_t now_ms, struct vm_error *err)
{
	char data[4096], answer[64];
	ssize_t n;

	if (ready->fd == -1)
		return ask(ready, now_ms, err);
	n = recv(ready->fd, data, sizeof(data), 0);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR) ||
	    (n == -1 && now_ms > ready->give_up_ms) ||
	    ready->in.len > ANSWER_MAX) {
		vm_ready_retry(ready, now_ms, "the agent does not answer");
		return 0;
	}
	if (n == -1)
		return 0;
	if (vm_buf_add(&ready->in, data, (size_t)n, err) == -1)
		return -1;
	snprintf(answer, sizeof(answer), "{\"return\": %lld}",
	    (long long)ready->id);
	return vm_ready_has(&ready->in, answer) ? 1 : 0;
}

const struct vm_ready_kind vm_ready_agent = { "agent", step_agent };
