#include "lib/base/error.h"

#include <errno.h>
#include <string.h>

#include "test/unit.h"

static void
test_set_and_wrap(void **state)
{
	struct vm_error err = { 0 };

	(void)state;
	assert_false(vm_error_is_set(&err));
	assert_int_equal(-1,
	    vm_error_set(&err, VM_E_DATA, "digest_mismatch", "got %d", 7));
	assert_int_equal(-1, vm_error_hint(&err, "vmfetch %s", "x"));
	assert_int_equal(-1, vm_error_wrap(&err, "image %s", "debian"));
	assert_string_equal("image debian: got 7", err.message);
	assert_string_equal("digest_mismatch", err.code);
	assert_string_equal("vmfetch x", err.hint);
	assert_int_equal(65, err.kind);
	assert_false(vm_error_is_retryable(&err));
	/* a new failure does not inherit the old one's hint */
	vm_error_set(&err, VM_E_TRY_AGAIN, "locked", "busy");
	assert_string_equal("", err.hint);
	assert_true(vm_error_is_retryable(&err));
	vm_error_clear(&err);
	assert_false(vm_error_is_set(&err));
	/* nobody to tell is fine */
	assert_int_equal(-1, vm_error_set(NULL, VM_E_BUG, "x", "y"));
	assert_int_equal(-1, vm_error_wrap(NULL, "y"));
}

static void
test_errno(void **state)
{
	static const struct {
		int errnum;
		enum vm_kind kind;
		const char *code;
	} rows[] = { { ENOSPC, VM_E_IO, "no_space" },
		{ EMFILE, VM_E_SYSTEM, "no_descriptors" },
		{ EXDEV, VM_E_EXISTS, "cross_device" },
		{ EACCES, VM_E_DENIED, "permission" },
		{ ENOENT, VM_E_NO_INPUT, "not_found" },
		{ EDOM, VM_E_SYSTEM, "system" } };
	struct vm_error err = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		vm_error_errno(&err, rows[i].errnum, "disk %d", 3);
		assert_int_equal(rows[i].kind, err.kind);
		assert_string_equal(rows[i].code, err.code);
	}
	vm_error_errno(&err, ENOSPC, "disk %d", 3);
	assert_string_equal("disk 3: No space left on device", err.message);
}

static void
test_cut(void **state)
{
	struct vm_error err = { 0 };
	char text[2048];
	size_t i;

	(void)state;
	for (i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[i] = '\0';
	vm_error_set(&err, VM_E_DATA, "x", "a%s", text);
	assert_int_equal(0,
	    strcmp(err.message + strlen(err.message) - 3, "..."));
	/* no half character before the dots */
	assert_int_equal('\xa9', err.message[strlen(err.message) - 4]);
	vm_error_wrap(&err, "subject");
	assert_int_equal(0, strncmp(err.message, "subject: a", 10));
	assert_int_equal(0,
	    strcmp(err.message + strlen(err.message) - 3, "..."));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_and_wrap),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
