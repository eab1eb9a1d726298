/* indices_test.c - sets of indices, and what is none. */
#include "lib/clone/indices.h"

#include <stdio.h>
#include <string.h>

#include "test/unit.h"

static void
check(const char *text, const char *expected)
{
	VM_CLEAN_INDICES struct vm_indices indices = { 0 };
	struct vm_error err = { 0 };
	char out[256] = "";
	size_t i;

	assert_int_equal(0, vm_indices_parse(text, &indices, &err));
	for (i = 0; i < indices.count; i++)
		sprintf(out + strlen(out), "%s%lld", i > 0 ? " " : "",
		    indices.items[i]);
	assert_string_equal(expected, out);
}

static void
test_sets(void **state)
{
	(void)state;
	check("1", "1");
	check("3-7,9", "3 4 5 6 7 9");
	check("9,3-4", "3 4 9");
	check("5-5", "5");
	check("999999", "999999");
	check("007", "7");
}

static void
refuse(const char *text, const char *why)
{
	VM_CLEAN_INDICES struct vm_indices indices = { 0 };
	struct vm_error err = { 0 };

	assert_int_equal(-1, vm_indices_parse(text, &indices, &err));
	assert_int_equal(VM_E_USAGE, err.kind);
	assert_string_equal("bad_index", err.code);
	assert_non_null(strstr(err.message, why));
	assert_null(indices.items);
}

static void
test_no_sets(void **state)
{
	static const char *const none[] = { "", ",", "1,", ",1", "1,,2", "0",
		"0-3", "-3", "3-", "1-2-3", "a", "1 ", " 1", "+1", "1.5",
		"1000000", "1-1000000", "99999999999999999999", "1\n", "1:2" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		refuse(none[i], "numbers from 1 to 999999");
	refuse("7-3", "ends before");
	refuse("1-5,3", "3 is in it twice");
	refuse("9,9", "9 is in it twice");
	refuse("1-100001", "more than 100000");
	refuse("1-99999,1-99999", "more than 100000");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_no_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
