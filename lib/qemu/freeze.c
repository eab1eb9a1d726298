/* freeze.c - see freeze.h. */
#include "lib/qemu/freeze.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/qemu/socket.h"

#define SYNC_MS 2000	/* for the agent to show that it is there */
#define FREEZE_MS 30000 /* for the guest to write out what it has */
#define THAW_MS 30000	/* for an agent that is busy freezing */

/* What the child tells us, one byte each. */
#define FROZEN 'F'
#define THAWED 'T'
#define NOTHING 'N'

/* The child's side of its two sockets, and what has come from the agent. */
struct child {
	int agent, parent;
	uint64_t hold_ms;
	char sync[128], answer[64];
	char in[4096];
	size_t len;
};

/* ---- the child: system calls only ---- */

static void
say(int fd, const char *text, size_t len)
{
	/* A socket that takes nothing is seen when no answer comes. */
	(void)!send(fd, text, len, MSG_NOSIGNAL);
}

/* Milliseconds left, for poll(2). */
static int
left(uint64_t deadline_ms)
{
	uint64_t now = vm_clock_ms();

	return now < deadline_ms ? (int)(deadline_ms - now) : 0;
}

/* The agent's next line, in child->in up to *end; NULL when none comes. */
static char *
next_line(struct child *child, uint64_t deadline_ms)
{
	struct pollfd poll_fd = { .fd = child->agent, .events = POLLIN };
	char *end;
	ssize_t n;

	while ((end = memchr(child->in, '\n', child->len)) == NULL) {
		if (child->len == sizeof(child->in))
			child->len = 0; /* no line of an agent's */
		if (left(deadline_ms) == 0)
			return NULL;
		if (poll(&poll_fd, 1, left(deadline_ms)) <= 0)
			continue;
		n = recv(child->agent, child->in + child->len,
		    sizeof(child->in) - child->len, MSG_DONTWAIT);
		if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
			return NULL;
		child->len += n > 0 ? (size_t)n : 0;
	}
	*end = '\0';
	return end;
}

static void
drop_line(struct child *child, const char *end)
{
	size_t used = (size_t)(end - child->in) + 1;

	child->len -= used;
	memmove(child->in, child->in + used, child->len);
}

/* Is it there?  What an earlier client has left unread is passed over. */
static bool
is_there(struct child *child)
{
	uint64_t deadline_ms = vm_clock_ms() + SYNC_MS;
	bool found = false;
	char *end;

	say(child->agent, child->sync, strlen(child->sync));
	while (!found && (end = next_line(child, deadline_ms)) != NULL) {
		found = strstr(child->in, child->answer) != NULL;
		drop_line(child, end);
	}
	return found;
}

/* How many file systems it says; -1: it refuses, or does not answer. */
static int
ask(struct child *child, const char *command, uint64_t timeout_ms)
{
	static const char word[] = "\"return\":";
	uint64_t deadline_ms = vm_clock_ms() + timeout_ms;
	const char *at;
	int count = -1;
	char *end;

	say(child->agent, command, strlen(command));
	if ((end = next_line(child, deadline_ms)) == NULL)
		return -1;
	at = strstr(child->in, word);
	if (at != NULL)
		count = (int)strtol(at + sizeof(word) - 1, NULL, 10);
	drop_line(child, end);
	return count;
}

/* Until our parent closes its end, whichever way; true: in time. */
static bool
hold(const struct child *child)
{
	struct pollfd poll_fd = { .fd = child->parent, .events = POLLIN };
	uint64_t deadline_ms = vm_clock_ms() + child->hold_ms;

	while (left(deadline_ms) > 0) {
		if (poll(&poll_fd, 1, left(deadline_ms)) == 1)
			return true;
	}
	return false;
}

static _Noreturn void
live(struct child *child)
{
	static const char freeze[] =
	    "{\"execute\":\"guest-fsfreeze-freeze\"}\n";
	static const char thaw[] = "{\"execute\":\"guest-fsfreeze-thaw\"}\n";
	bool was_frozen, in_time = false;
	char word;

	if (!is_there(child)) {
		say(child->parent, (char[]){ NOTHING }, 1);
		_exit(0);
	}
	was_frozen = ask(child, freeze, FREEZE_MS) > 0;
	word = was_frozen ? FROZEN : NOTHING;
	say(child->parent, &word, 1);
	if (was_frozen)
		in_time = hold(child);
	/* Also what was not answered, or frozen in part. */
	if (ask(child, thaw, THAW_MS) > 0 && in_time)
		say(child->parent, (char[]){ THAWED }, 1);
	_exit(0);
}

/* Nothing of ours stays open in it: no lock, no pipe of the shell's. */
static void
leave_parent(const struct child *child)
{
	int low = child->agent, high = child->parent;

	if (low > high) {
		low = child->parent;
		high = child->agent;
	}
	setsid();
	if (low > 0)
		close_range(0, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, ~0U, 0);
}

/* ---- the parent ---- */

static int
start(struct vm_freeze *freeze, int agent, uint64_t hold_ms,
    struct vm_error *err)
{
	struct child child = { .agent = agent, .hold_ms = hold_ms };
	int64_t id = (int64_t)(vm_clock_ms() & 0x7fffffff);
	int fds[2];

	snprintf(child.sync, sizeof(child.sync),
	    "\xff{\"execute\":\"guest-sync\",\"arguments\":{\"id\":%lld}}\n",
	    (long long)id);
	snprintf(child.answer, sizeof(child.answer), "\"return\": %lld}",
	    (long long)id);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
		return vm_error_errno(err, errno, "socketpair");
	child.parent = fds[1];
	freeze->pid = fork();
	if (freeze->pid == 0) {
		leave_parent(&child);
		live(&child);
	}
	close(fds[1]);
	if (freeze->pid == -1) {
		vm_error_errno(err, errno, "fork");
		close(fds[0]);
		return -1;
	}
	freeze->fd = fds[0];
	return 0;
}

/* The child's next word; 0 when it has ended. */
static char
hear(const struct vm_freeze *freeze)
{
	char word = 0;
	ssize_t n;

	/* It always says something or ends: its own times see to that. */
	do
		n = recv(freeze->fd, &word, 1, 0);
	while (n == -1 && errno == EINTR);
	return n == 1 ? word : 0;
}

int
vm_freeze_begin(struct vm_freeze *freeze, int dir_fd, uint64_t hold_ms,
    struct vm_error *err)
{
	struct vm_error nobody = { 0 };
	VM_CLEAN_FD int agent = vm_socket_connect(dir_fd, "agent.sock",
	    &nobody);

	*freeze = (struct vm_freeze)VM_FREEZE_NONE;
	if (agent == -1 && nobody.kind == VM_E_UNAVAILABLE)
		return 0;
	if (agent == -1) {
		if (err != NULL)
			*err = nobody;
		return -1;
	}
	if (start(freeze, agent, hold_ms, err) == -1)
		return -1;
	return hear(freeze) == FROZEN ? 1 : 0;
}

bool
vm_freeze_end(struct vm_freeze *freeze)
{
	bool was_held;

	if (freeze->fd == -1)
		return false;
	shutdown(freeze->fd, SHUT_WR);
	was_held = hear(freeze) == THAWED;
	close(VM_TAKE_FD(freeze->fd));
	while (waitpid(freeze->pid, NULL, 0) == -1 && errno == EINTR)
		;
	return was_held;
}

void
vm_freeze_clean(struct vm_freeze *freeze)
{
	(void)vm_freeze_end(freeze);
}
