/* freeze_test.c - agents that behave and do not, a freezer that is killed. */
#include "lib/qemu/freeze.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/qemu/socket.h"
#include "test/unit.h"

#define WAIT_MS 20000
#define SHORT_MS 100

/* What the agent of a case does; its words come back through a pipe. */
enum manner { GOOD, STALE, REFUSES, SILENT, LEAVES };

struct agent {
	char path[32]; /* of its directory */
	int dir;
	pid_t pid;
	int words; /* one letter for each command it has got */
};

static void
answer(int fd, const char *text)
{
	(void)!write(fd, text, strlen(text));
}

static void
obey(int fd, enum manner manner, const char *line, int words)
{
	const char *id = strstr(line, "\"id\":");
	char text[100];

	if (id != NULL) {
		(void)!write(words, "s", 1);
		if (manner == STALE)
			answer(fd, "rubbish\n{\"return\": 17}\n{\"return\"");
		snprintf(text, sizeof(text), "%s%ld}\n",
		    manner == STALE ? ": " : "{\"return\": ",
		    strtol(id + 5, NULL, 10));
		if (manner != SILENT)
			answer(fd, text);
	} else if (strstr(line, "fsfreeze-freeze") != NULL) {
		(void)!write(words, "f", 1);
		answer(fd,
		    manner == REFUSES ? "{\"error\": {\"desc\": \"no\"}}\n" :
					"{\"return\": 2}\n");
	} else {
		(void)!write(words, "t", 1);
		answer(fd, "{\"return\": 2}\n");
	}
}

static _Noreturn void
play(int listener, enum manner manner, int words)
{
	int fd = accept(listener, NULL, NULL);
	FILE *in = fdopen(fd, "r");
	char line[4096];

	while (manner != LEAVES && fgets(line, sizeof(line), in) != NULL)
		obey(fd, manner, line, words);
	_exit(0);
}

static struct agent
start(enum manner manner)
{
	struct vm_error err = { 0 };
	struct agent agent = { .path = "/tmp/vmpipe-freeze.XXXXXX" };
	int listener, fds[2];

	assert_non_null(mkdtemp(agent.path));
	agent.dir = open(agent.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	listener = vm_socket_listen(agent.dir, "agent.sock", &err);
	assert_int_not_equal(listener, -1);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	agent.pid = fork();
	if (agent.pid == 0) {
		close(fds[0]);
		play(listener, manner, fds[1]);
	}
	close(listener);
	close(fds[1]);
	agent.words = fds[0];
	return agent;
}

/* All that it was told, once everybody has left it. */
static void
was_told(struct agent *agent, const char *words)
{
	char got[16] = "";
	size_t len = 0;
	ssize_t n;

	while ((n = read(agent->words, got + len, sizeof(got) - 1 - len)) > 0)
		len += (size_t)n;
	got[len] = '\0';
	assert_string_equal(got, words);
	assert_int_equal(waitpid(agent->pid, NULL, 0), agent->pid);
	assert_int_equal(unlinkat(agent->dir, "agent.sock", 0), 0);
	assert_int_equal(rmdir(agent->path), 0);
	close(agent->words);
	close(agent->dir);
}

static void
test_frozen(void **state)
{
	const enum manner manners[] = { GOOD, STALE };
	struct vm_error err = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct agent agent = start(manners[i]);
		struct vm_freeze freeze = VM_FREEZE_NONE;

		assert_int_equal(vm_freeze_begin(&freeze, agent.dir,
				     VM_FREEZE_HOLD_MS, &err),
		    1);
		assert_true(vm_freeze_end(&freeze));
		/* once is enough */
		assert_false(vm_freeze_end(&freeze));
		was_told(&agent, "sft");
	}
}

static void
test_not_frozen(void **state)
{
	const enum manner manners[] = { REFUSES, SILENT, LEAVES };
	/* what refuses may have frozen some: it is thawed all the same */
	const char *const words[] = { "sft", "s", "" };
	struct vm_error err = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct agent agent = start(manners[i]);
		VM_CLEAN_FREEZE struct vm_freeze freeze = VM_FREEZE_NONE;

		assert_int_equal(vm_freeze_begin(&freeze, agent.dir,
				     VM_FREEZE_HOLD_MS, &err),
		    0);
		assert_false(vm_freeze_end(&freeze));
		was_told(&agent, words[i]);
	}
}

static void
test_nobody(void **state)
{
	struct vm_freeze freeze = VM_FREEZE_NONE;
	struct vm_error err = { 0 };
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(vm_freeze_begin(&freeze, dir, VM_FREEZE_HOLD_MS, &err),
	    0);
	assert_false(vm_error_is_set(&err));
	assert_false(vm_freeze_end(&freeze));
	close(dir);
}

/* Whoever froze it is killed, with all of its process group: it is thawed. */
static void
test_killed(void **state)
{
	struct agent agent = start(GOOD);
	uint64_t begin = vm_clock_ms();
	pid_t pid = fork();

	(void)state;
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		struct vm_freeze freeze = VM_FREEZE_NONE;

		setpgid(0, 0);
		if (vm_freeze_begin(&freeze, agent.dir, VM_FREEZE_HOLD_MS,
			NULL) == 1)
			kill(0, SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	was_told(&agent, "sft");
	assert_true(vm_clock_ms() - begin < WAIT_MS / 4);
}

/* Nobody is kept frozen for long, whatever keeps the one who asked for it. */
static void
test_held_too_long(void **state)
{
	struct agent agent = start(GOOD);
	struct vm_freeze freeze = VM_FREEZE_NONE;
	struct vm_error err = { 0 };
	char words[4] = "";
	uint64_t begin = vm_clock_ms();

	(void)state;
	assert_int_equal(vm_freeze_begin(&freeze, agent.dir, SHORT_MS, &err),
	    1);
	assert_int_equal(read(agent.words, words, 2), 2);
	assert_string_equal(words, "sf");
	was_told(&agent, "t");
	assert_true(vm_clock_ms() - begin < WAIT_MS);
	assert_false(vm_freeze_end(&freeze));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_not_frozen),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_held_too_long),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
