#include "lib/adapt/json.h"

#include <string.h>

#include "test/unit.h"

static struct vm_json *
parse(const char *text, struct vm_error *err)
{
	return vm_json_parse(text, strlen(text), err);
}

static void
test_paths(void **state)
{
	struct vm_error err = { 0 };
	VM_CLEAN_JSON struct vm_json *json =
	    parse("{\"a\":{\"b\":[{\"c\":\"x\"},2.5,true]},\"n\":7}", &err);
	VM_CLEAN_BUF struct vm_buf out = { 0 };

	(void)state;
	assert_string_equal("x", vm_json_string(json, "a.b.0.c", "-"));
	assert_string_equal("-", vm_json_string(json, "a.b.9.c", "-"));
	assert_string_equal("-", vm_json_string(json, "n", "-"));
	assert_int_equal(7, vm_json_int(json, "n", 0));
	assert_true(vm_json_real(json, "a.b.1", 0) == 2.5);
	assert_true(vm_json_bool(json, "a.b.2", false));
	assert_int_equal(VM_JSON_NONE, vm_json_type(vm_json_get(json, "q.r")));
	assert_int_equal(0, vm_json_set_string(json, "new.deep", "v", &err));
	assert_int_equal(0, vm_json_set_int(json, "a.b.3", 4, &err));
	assert_int_equal(-1, vm_json_set_int(json, "a.b.9", 4, &err));
	assert_string_equal("bad_path", err.code);
	assert_int_equal(-1, vm_json_set_int(json, "n.x", 4, &err));
	assert_int_equal(-1, vm_json_set_string(json, "bad", "\xff", &err));
	vm_json_delete(json, "a.b.0");
	vm_json_delete(json, "no.such");
	assert_int_equal(0, vm_json_format(json, false, &out, &err));
	assert_string_equal(
	    "{\"a\":{\"b\":[2.5,true,4]},\"n\":7,\"new\":{\"deep\":\"v\"}}",
	    out.data);
}

static void
test_sorted(void **state)
{
	struct vm_error err = { 0 };
	VM_CLEAN_JSON struct vm_json *json = parse("{\"b\":1,\"a\":2}", &err);
	VM_CLEAN_BUF struct vm_buf out = { 0 };

	(void)state;
	assert_int_equal(0, vm_json_format(json, true, &out, &err));
	assert_string_equal("{\"a\":2,\"b\":1}", out.data);
}

static void
test_refused(void **state)
{
	static const char *const bad[] = { "", "{", "{\"a\":1,\"a\":2}",
		"\"\\u0000\"", "\"\xff\"", "{} x", "nul" };
	char deep[200];
	struct vm_error err = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(parse(bad[i], &err));
		assert_int_equal(VM_E_DATA, err.kind);
	}
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	assert_null(vm_json_parse(deep, sizeof(deep), &err));
	assert_string_equal("nested deeper than 64 levels", err.message);
	assert_null(vm_json_parse("{\"a\":\0}", 7, &err));
}

static void
test_members(void **state)
{
	struct vm_error err = { 0 };
	VM_CLEAN_JSON struct vm_json *json = vm_json_new_object();
	char seen[16] = "";
	void *it;

	(void)state;
	assert_int_equal(0,
	    vm_json_set_member(json, "z.1", vm_json_new_int(1), &err));
	assert_int_equal(0,
	    vm_json_set_member(json, "a", vm_json_new_null(), &err));
	for (it = vm_json_first(json); it != NULL; it = vm_json_next(json, it))
		strcat(seen, vm_json_key(it));
	assert_string_equal("z.1a", seen);
	assert_null(vm_json_get(json, "z.1"));
	assert_non_null(vm_json_member(json, "z.1"));
	assert_int_equal(2, vm_json_count(json));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
