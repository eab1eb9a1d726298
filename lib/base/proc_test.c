#include "lib/base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/base/clock.h"
#include "test/unit.h"

static int
run(const char *const argv[], struct vm_proc_options options,
    struct vm_proc_result *result, struct vm_error *err)
{
	options.argv = argv;
	options.stdin_fd = options.stdout_fd = options.stderr_fd = -1;
	return vm_proc_run(&options, result, err);
}

static void
test_output_and_status(void **state)
{
	const char *const argv[] = { "sh", "-c",
		"echo \"$X\"; echo oops >&2; exit 3", NULL };
	const char *const env[] = { "X=a b", NULL };
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0,
	    run(argv, (struct vm_proc_options){ .env = env }, &result, &err));
	assert_string_equal("a b\n", result.out.data);
	assert_string_equal("oops\n", result.err.data);
	assert_int_equal(3, result.status);
}

static void
test_failures(void **state)
{
	const char *const missing[] = { "vmpipe-no-such-program", NULL };
	const char *const bad[] = { "sh", "-c", "echo a; echo last >&2; exit 2",
		NULL };
	const char *const slow[] = { "sleep", "600", NULL };
	const char *const loud[] = { "sh", "-c", "yes", NULL };
	struct vm_proc_options options = {
		.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .argv = bad
	};
	VM_CLEAN_PROC struct vm_proc_result a = { 0 }, b = { 0 }, c = { 0 },
					    d = { 0 };
	struct vm_error err = { 0 };
	uint64_t start = vm_clock_ms();

	(void)state;
	assert_int_equal(-1,
	    run(missing, (struct vm_proc_options){ 0 }, &a, &err));
	assert_string_equal("no_program", err.code);
	assert_int_equal(-1, vm_proc_run_ok(&options, &b, &err));
	assert_string_equal("sh: status 2: last", err.message);
	assert_int_equal(-1,
	    run(slow, (struct vm_proc_options){ .timeout_ms = 50 }, &c, &err));
	assert_int_equal(VM_E_TRY_AGAIN, err.kind);
	assert_true(c.timed_out);
	assert_true(vm_clock_ms() - start < 60000);
	assert_int_equal(-1,
	    run(loud, (struct vm_proc_options){ .output_max = 100000 }, &d,
		&err));
	assert_string_equal("too_large", err.code);
}

static void
test_descriptors(void **state)
{
	/* only 0, 1, 2 and the kept one reach the child */
	const char *const argv[] = { "sh", "-c",
		"for i in $(seq 0 60); do [ -e /proc/$$/fd/$i ] && echo $i; "
		"done",
		NULL };
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	struct vm_error err = { 0 };
	VM_CLEAN_FD int leaked = open("/dev/null", O_RDONLY);
	VM_CLEAN_FD int kept = fcntl(leaked, F_DUPFD_CLOEXEC, 50);

	(void)state;
	assert_int_equal(0,
	    run(argv,
		(struct vm_proc_options){ .keep_fds = &kept, .keep_count = 1 },
		&result, &err));
	assert_string_equal("0\n1\n2\n50\n", result.out.data);
}

static void
test_limit(void **state)
{
	const char *const argv[] = { "sh", "-c",
		"dd if=/dev/zero of=/dev/stdout bs=1k count=4 2>/dev/null; "
		"ulimit -f",
		NULL };
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0,
	    run(argv, (struct vm_proc_options){ .limit_file_bytes = 1 << 20 },
		&result, &err));
	assert_non_null(strstr(result.out.data + 4096, "2048"));
}

static void
test_start(void **state)
{
	const char *const argv[] = { "cat", NULL };
	struct vm_proc_options options = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};
	struct vm_error err = { 0 };
	struct pollfd p = { .events = POLLIN };
	int status;
	pid_t pid;

	(void)state;
	p.fd = vm_proc_start(&options, &pid, &err);
	assert_true(p.fd >= 0);
	assert_int_equal(1, poll(&p, 1, 60000)); /* /dev/null has ended */
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_int_equal(0, status);
	close(p.fd);
	assert_true(vm_proc_has_program("sh"));
	assert_false(vm_proc_has_program("vmpipe-no-such-program"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_and_status),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
