/* uuid_test.c - UUIDs made and given. */
#include "lib/record/uuid.h"

#include <string.h>

#include "test/unit.h"

static void
test_made(void **state)
{
	char a[VM_UUID_TEXT], b[VM_UUID_TEXT], same[VM_UUID_TEXT];
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0, vm_uuid_make(a, &err));
	assert_int_equal(0, vm_uuid_make(b, &err));
	assert_string_not_equal(a, b);
	assert_int_equal('4', a[14]);
	assert_non_null(strchr("89ab", a[19]));
	assert_int_equal(0, vm_uuid_parse(a, same, &err));
	assert_string_equal(a, same);
}

static void
test_given(void **state)
{
	static const char *const bad[] = { "",
		"5d0c9c1e-6c0f-4a5e-9b1c-2f6a0f0c7d1",
		"5d0c9c1e-6c0f-4a5e-9b1c-2f6a0f0c7d111",
		"5d0c9c1e6c0f-4a5e-9b1c-2f6a0f0c7d11-",
		"5d0c9c1e-6c0f-4a5e-9b1c-2f6a0f0c7d1g",
		"{5d0c9c1e-6c0f-4a5e-9b1c-2f6a0f0c7d11}",
		" 5d0c9c1e-6c0f-4a5e-9b1c-2f6a0f0c7d1",
		"00000000-0000-0000-0000-000000000000" };
	char uuid[VM_UUID_TEXT] = "x";
	struct vm_error err = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(-1, vm_uuid_parse(bad[i], uuid, &err));
		assert_int_equal(VM_E_USAGE, err.kind);
		assert_string_equal("x", uuid);
	}
	assert_int_equal(0,
	    vm_uuid_parse("5D0C9C1E-6c0f-4A5E-9b1c-2F6A0F0C7D11", uuid, &err));
	assert_string_equal("5d0c9c1e-6c0f-4a5e-9b1c-2f6a0f0c7d11", uuid);
}

static void
test_generation(void **state)
{
	VM_CLEAN_JSON struct vm_json *record = vm_json_new_object();
	struct vm_error err = { 0 };
	char before[VM_UUID_TEXT];

	(void)state;
	assert_int_equal(0, vm_uuid_renew_generation(record, &err));
	strcpy(before, vm_json_string(record, "identity.generation_id", ""));
	assert_int_equal(0, vm_uuid_renew_generation(record, &err));
	assert_string_not_equal(before,
	    vm_json_string(record, "identity.generation_id", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_generation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
