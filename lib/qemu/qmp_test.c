/* qmp_test.c - the monitor client against peers that behave and do not. */
#include "lib/qemu/qmp.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/qemu/socket.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define SHORT_MS 100
#define LONG_MS 10000

/* A child that says text, then for each line it gets the next answer; "" at
 * the end of the answers keeps the connection open in silence. */
struct peer {
	pid_t pid;
	int fd;
};

static void
say(FILE *out, const char *text)
{
	fputs(text, out);
	fflush(out);
}

static _Noreturn void
play(int fd, const char *const *lines)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char line[4096];
	size_t i;

	say(out, lines[0]);
	for (i = 1; lines[i] != NULL && fgets(line, sizeof(line), in); i++)
		say(out, lines[i]);
	if (lines[i] == NULL && i > 1 && *lines[i - 1] == '\0')
		pause();
	_exit(0);
}

static struct peer
start(const char *const *lines)
{
	struct peer peer;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	peer.pid = fork();
	assert_int_not_equal(peer.pid, -1);
	if (peer.pid == 0) {
		close(fds[0]);
		play(fds[1], lines);
	}
	close(fds[1]);
	peer.fd = fds[0];
	return peer;
}

static void
end(const struct peer *peer)
{
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
}

static void
open_fails(const char *const *lines, uint64_t timeout_ms, const char *code)
{
	struct vm_error err = { 0 };
	struct vm_qmp qmp = VM_QMP_CLOSED;
	struct peer peer = start(lines);
	uint64_t begin = vm_clock_ms();

	assert_int_equal(vm_qmp_open(&qmp, peer.fd, -1, timeout_ms, &err), -1);
	assert_string_equal(err.code, code);
	assert_int_equal(err.kind, VM_E_UNAVAILABLE);
	assert_int_equal(qmp.fd, -1);
	assert_true(vm_clock_ms() - begin < LONG_MS);
	end(&peer);
}

static void
test_call(void **state)
{
	const char *const lines[] = { GREETING,
		"{\"event\": \"RESUME\"}\n{\"return\": {}, \"id\": 1}\n",
		"{\"return\": {\"UUID\": \"old\"}, \"id\": 1}\n"
		"{\"return\": {\"UUID\": \"ab\"}, \"id\": 2}\n",
		"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"},"
		" \"id\": 3}\n",
		"" };
	const char *script[6] = { lines[0], lines[1], lines[2], lines[3],
		lines[4], NULL };
	struct vm_error err = { 0 };
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	struct peer peer = start(script);

	(void)state;
	assert_int_equal(vm_qmp_open(&qmp, peer.fd, -1, LONG_MS, &err), 0);
	assert_int_equal(vm_qmp_check_uuid(&qmp, "AB", LONG_MS, &err), 0);
	assert_int_equal(vm_qmp_call(&qmp, "quit", NULL, LONG_MS, NULL, &err),
	    -1);
	assert_string_equal(err.code, "monitor_error");
	assert_string_equal(err.message, "QEMU refuses quit: no");
	/* and silence is not waited for without end */
	assert_int_equal(vm_qmp_call(&qmp, "stop", NULL, SHORT_MS, NULL, &err),
	    -1);
	assert_string_equal(err.code, "monitor_timeout");
	end(&peer);
}

/* Answers the handshake, then sends back what is in the file it was handed. */
static _Noreturn void
take_file(int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char text[4096], name[64];
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr message = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	int file;

	dprintf(fd, GREETING);
	if (read(fd, text, sizeof(text)) <= 0)
		_exit(1);
	dprintf(fd, "{\"return\": {}, \"id\": 1}\n");
	if (recvmsg(fd, &message, 0) <= 0 || CMSG_FIRSTHDR(&message) == NULL)
		_exit(1);
	memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(file));
	if (strstr(text, "\"add-fd\"") == NULL ||
	    pread(file, name, sizeof(name), 0) != 5)
		_exit(1);
	dprintf(fd, "{\"return\": {\"fdset-id\": %.1s}, \"id\": 2}\n", name);
	_exit(0);
}

static void
test_pass_fd(void **state)
{
	struct vm_error err = { 0 };
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	int file = memfd_create("handed", MFD_CLOEXEC), fds[2];
	int64_t set = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(write(file, "7 is\n", 5), 5);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	pid = fork();
	if (pid == 0) {
		close(file);
		take_file(fds[1]);
	}
	close(fds[1]);
	assert_int_equal(vm_qmp_open(&qmp, fds[0], -1, LONG_MS, &err), 0);
	assert_int_equal(vm_qmp_pass_fd(&qmp, file, LONG_MS, &set, &err), 0);
	assert_int_equal(set, 7);
	close(file);
	waitpid(pid, NULL, 0);
}

static void
test_foreign(void **state)
{
	const char *const script[] = { GREETING,
		"{\"return\": {}, \"id\": 1}\n",
		"{\"return\": {\"UUID\": \"cd\"}, \"id\": 2}\n", NULL };
	struct vm_error err = { 0 };
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	struct peer peer = start(script);

	(void)state;
	assert_int_equal(vm_qmp_open(&qmp, peer.fd, -1, LONG_MS, &err), 0);
	assert_int_equal(vm_qmp_check_uuid(&qmp, "ab", LONG_MS, &err), -1);
	assert_string_equal(err.code, "foreign_monitor");
	end(&peer);
}

static void
test_hostile(void **state)
{
	static char endless[VM_QMP_LINE_MAX + 65536];
	const char *const garbage[] = { "SSH-2.0-OpenSSH\r\n", "", NULL };
	const char *const other[] = { "{\"hello\": 1}\n", "", NULL };
	const char *const closes[] = { "", NULL };
	const char *const silent[] = { "", "", NULL };
	const char *const refuses[] = { GREETING,
		"{\"id\": 1, \"error\": {\"desc\": \"no\"}}\n", NULL };
	const char *const empty[] = { GREETING, "{\"id\": 1}\n", NULL };
	const char *const leaves[] = { GREETING, NULL };
	const char *const big[] = { endless, "", NULL };

	(void)state;
	memset(endless, 'x', sizeof(endless) - 1);
	open_fails(garbage, LONG_MS, "monitor_nonsense");
	open_fails(other, LONG_MS, "monitor_nonsense");
	open_fails(closes, LONG_MS, "monitor_closed");
	open_fails(silent, SHORT_MS, "monitor_timeout");
	open_fails(refuses, LONG_MS, "monitor_error");
	open_fails(empty, LONG_MS, "monitor_nonsense");
	open_fails(leaves, LONG_MS, "monitor_closed");
	open_fails(big, LONG_MS, "monitor_nonsense");
}

/* ---- the sockets ---- */

static char directory[300];

static int
enter_long_directory(void **state)
{
	char name[201];

	(void)state;
	memset(name, 'd', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(directory, sizeof(directory), "/tmp/vmpipe-qmp.XXXXXX");
	if (mkdtemp(directory) == NULL || chdir(directory) == -1 ||
	    mkdir(name, 0750) == -1)
		return -1;
	return chdir(name);
}

static int
leave_long_directory(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		execlp("rm", "rm", "-rf", directory, (char *)NULL);
		_exit(127);
	}
	return chdir("/") == -1 || waitpid(pid, NULL, 0) != pid ? -1 : 0;
}

static void
test_socket_long_path(void **state)
{
	struct vm_error err = { 0 };
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, peer;
	struct stat st;

	(void)state;
	assert_int_equal(vm_socket_connect(dir, "q", &err), -1);
	assert_string_equal(err.code, "not_listening");
	fd = vm_socket_listen(dir, "q", &err);
	assert_int_not_equal(fd, -1);
	assert_int_equal(fstatat(dir, "q", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	peer = vm_socket_connect(dir, "q", &err);
	assert_int_not_equal(peer, -1);
	close(peer);
	close(fd);
	/* what an earlier run has left is no hindrance */
	assert_int_equal(vm_socket_connect(dir, "q", &err), -1);
	assert_string_equal(err.code, "not_listening");
	fd = vm_socket_listen(dir, "q", &err);
	assert_int_not_equal(fd, -1);
	close(fd);
	close(dir);
}

static void
test_socket_refuses(void **state)
{
	struct vm_error err = { 0 };
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	unlink("q");
	assert_int_equal(symlink("/tmp/elsewhere", "q"), 0);
	assert_int_equal(vm_socket_listen(dir, "q", &err), -1);
	assert_int_equal(err.kind, VM_E_DENIED);
	assert_int_equal(unlink("q"), 0);
	assert_int_equal(chmod(".", 0777), 0);
	assert_int_equal(vm_socket_listen(dir, "q", &err), -1);
	assert_int_equal(err.kind, VM_E_DENIED);
	assert_int_equal(access("q", F_OK), -1);
	close(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_pass_fd),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_socket_long_path),
		cmocka_unit_test(test_socket_refuses),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, enter_long_directory,
	    leave_long_directory);
}
