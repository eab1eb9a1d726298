/* accel_test.c - the test guest really runs, and a verdict is always given. */
#include "lib/qemu/accel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/qemu/accel_guest.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest_runs_under_emulation),
		cmocka_unit_test(test_failure_has_a_reason),
		cmocka_unit_test(test_no_qemu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
