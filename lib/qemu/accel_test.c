/* accel_test.c - the test guest really runs, and a verdict is always given. */
#include "lib/qemu/accel.h"

#include <sys/wait.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/qemu/accel_guest.h"

static void
remove_tree(const char *root)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", root, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
test_guest_runs_under_emulation(void **state)
{
	struct vm_error err = { 0 };
	VM_CLEAN_FREE char *qemu = NULL;
	char reason[256] = "";

	(void)state;
	qemu = vm_accel_find_qemu(&err);
	if (qemu == NULL)
		skip();
	assert_int_equal(vm_accel_try(qemu, "tcg", reason, &err), 1);
	assert_string_equal(reason, "");
}

static void
test_failure_has_a_reason(void **state)
{
	struct vm_error err = { 0 };
	VM_CLEAN_FREE char *qemu = NULL;
	char reason[256] = "";

	(void)state;
	qemu = vm_accel_find_qemu(&err);
	if (qemu == NULL)
		skip();
	assert_int_equal(vm_accel_try(qemu, "none", reason, &err), 0);
	assert_non_null(strstr(reason, "does not run: "));
	assert_non_null(strstr(reason, "accel"));
}

static void
test_no_qemu(void **state)
{
	struct vm_error err = { 0 };
	struct vm_accel accel = { .reason = "untouched" };
	VM_CLEAN_FREE char *path = strdup(getenv("PATH"));

	(void)state;
	setenv("PATH", "/nonexistent:relative", 1);
	assert_int_equal(vm_accel_prove(&accel, &err), -1);
	setenv("PATH", path, 1);
	assert_int_equal(err.kind, VM_E_UNAVAILABLE);
	assert_string_equal(err.code, "no_qemu");
	assert_string_equal(accel.reason, "untouched");
}

/* In a store the verdict is kept, and found anew when it no longer holds. */
static void
test_kept(void **state)
{
	struct vm_error err = { 0 };
	struct vm_accel accel, proved;
	char root[] = "/tmp/vmpipe-accel.XXXXXX";
	VM_CLEAN_STORE struct vm_store *store = NULL;
	int fd;

	(void)state;
	if (vm_accel_prove(&proved, &err) == -1)
		skip();
	assert_non_null(mkdtemp(root));
	store = vm_store_open(root, true, &err);
	assert_non_null(store);
	assert_int_equal(vm_accel_get(store, &accel, &err), 0);
	assert_true(accel.fresh);
	assert_int_equal(accel.kvm, proved.kvm);
	assert_string_equal(accel.reason, proved.reason);
	assert_int_equal(vm_accel_get(store, &accel, &err), 0);
	assert_false(accel.fresh);
	assert_int_equal(accel.kvm, proved.kvm);
	assert_string_equal(accel.reason, proved.reason);
	/* of another boot */
	fd = openat(store->fds[VM_STORE_LOCKS], "accel.json",
	    O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "{\"boot_id\":\"x\",\"kvm\":true}", 27), 27);
	close(fd);
	assert_int_equal(vm_accel_get(store, &accel, &err), 0);
	assert_true(accel.fresh);
	assert_int_equal(accel.kvm, proved.kvm);
	remove_tree(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest_runs_under_emulation),
		cmocka_unit_test(test_failure_has_a_reason),
		cmocka_unit_test(test_no_qemu),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
