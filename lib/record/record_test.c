#include "test/unit.h"

#include <string.h>

#include "lib/record/record.h"

static struct vm_json *
json(const char *text)
{
	struct vm_json *value = vm_json_parse(text, strlen(text), NULL);

	assert_non_null(value);
	return value;
}

static void
refuse(const char *text, enum vm_kind kind, const char *message)
{
	VM_CLEAN_JSON struct vm_json *record = json(text);
	struct vm_error err = { 0 };

	assert_int_equal(vm_record_check(record, &err), -1);
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(err.message, message));
}

static void
accept(const char *text)
{
	VM_CLEAN_JSON struct vm_json *record = json(text);

	assert_int_equal(vm_record_check(record, NULL), 0);
}

static void
test_check(void **state)
{
	(void)state;
	accept("{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"a\",\"x\":[1]}");
	accept("{\"vmpipe\":1,\"kind\":\"image\",\"indices\":[1,7]}");
	accept("{\"vmpipe\":1,\"kind\":\"image\",\"name\":\"a@4\"}");
	accept("{\"vmpipe\":1,\"kind\":\"vm\",\"state\":\"failed\"}");
	refuse("[1]", VM_E_DATA, "not a JSON object");
	refuse("{\"kind\":\"vm\"}", VM_E_DATA, "no \"vmpipe\"");
	refuse("{\"vmpipe\":2,\"kind\":\"vm\"}", VM_E_CONFIG, "version");
	refuse("{\"vmpipe\":\"1\"}", VM_E_CONFIG, "version");
	refuse("{\"vmpipe\":1}", VM_E_DATA, "no \"kind\"");
	refuse("{\"vmpipe\":1,\"kind\":\"vm\"}", VM_E_DATA, "no \"name\"");
	refuse("{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"../x\"}", VM_E_DATA,
	    "no name");
	refuse("{\"vmpipe\":1,\"kind\":\"vm\",\"name\":7}", VM_E_DATA,
	    "\"name\" is of the wrong type");
	refuse("{\"vmpipe\":1,\"kind\":\"image\",\"role\":\"A/b\"}", VM_E_DATA,
	    "\"role\"");
	refuse("{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"a\",\"index\":0}",
	    VM_E_DATA, "less than 1");
	refuse("{\"vmpipe\":1,\"kind\":\"image\",\"indices\":[1,\"2\"]}",
	    VM_E_DATA, "indices");
	refuse("{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"a\",\"spec\":[]}",
	    VM_E_DATA, "\"spec\"");
}

static void
test_names(void **state)
{
	static const char *const bad[] = { "", "-rf", "../x", "a/b", "A", "a.b",
		"a\nb", "a,b", "json:{}", "\xc3\xa4", "a_b", " a" };
	char name[VM_NAME_MAX + 2];
	struct vm_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(vm_record_check_name(bad[i], &err), -1);
		assert_int_equal(err.kind, VM_E_USAGE);
		assert_null(strchr(err.message, '\n'));
	}
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(vm_record_check_name(name, &err), -1);
	name[VM_NAME_MAX] = '\0';
	assert_int_equal(vm_record_check_name(name, &err), 0);
	assert_int_equal(vm_record_check_name("0-web-01", &err), 0);
}

static void
test_fail(void **state)
{
	VM_CLEAN_JSON struct vm_json *record =
	    json("{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"a\",\"x\":1}");
	struct vm_error err = { 0 }, failure = { 0 }, again = { 0 };

	(void)state;
	vm_error_set(&failure, VM_E_TRY_AGAIN, "in_use", "is in use \xff");
	vm_error_hint(&failure, "vmstop a");
	assert_int_equal(vm_record_fail(record, "vmclone", &failure, &err), 0);
	assert_true(vm_record_is_failed(record));
	assert_int_equal(vm_record_check(record, &err), 0);
	assert_int_equal(vm_json_int(record, "x", 0), 1);
	assert_int_equal(vm_json_int(record, "error.status", 0), 75);
	assert_true(vm_json_bool(record, "error.retryable", false));
	assert_string_equal(vm_json_string(record, "error.tool", ""),
	    "vmclone");

	assert_int_equal(vm_record_failure(record, "vmdeploy", &again), 0);
	assert_int_equal(vm_record_failure(record, "vmclone", &again), 1);
	assert_int_equal(again.kind, VM_E_TRY_AGAIN);
	assert_string_equal(again.code, "in_use");
	assert_string_equal(again.message, "is in use \\xff");
	assert_string_equal(again.hint, "vmstop a");
}

static void
test_step(void **state)
{
	VM_CLEAN_JSON struct vm_json *record = vm_record_new("vm", NULL);
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(vm_record_step(record, "cloned", "clone", 3, &err), 0);
	assert_int_equal(vm_record_step(record, "ready", "x", -1, &err), 0);
	assert_string_equal(vm_json_string(record, "state", ""), "ready");
	assert_int_equal(vm_json_int(record, "timing_ms.clone", 0), 3);
	assert_int_equal(vm_json_count(vm_json_get(record, "timing_ms")), 1);
}

static void
test_subject(void **state)
{
	VM_CLEAN_JSON struct vm_json *vm =
	    json("{\"name\":\"shop-web-3\",\"service\":\"shop\"}");
	VM_CLEAN_JSON struct vm_json *role =
	    json("{\"service\":\"shop\",\"role\":\"web\"}");
	VM_CLEAN_JSON struct vm_json *image =
	    json("{\"image\":{\"alias\":\"debian-12\"}}");
	char out[64];

	(void)state;
	assert_string_equal(vm_record_subject(vm, out, sizeof(out)),
	    "shop-web-3");
	assert_string_equal(vm_record_subject(role, out, sizeof(out)),
	    "shop/web");
	assert_string_equal(vm_record_subject(image, out, sizeof(out)),
	    "debian-12");
}

static void
test_records(void **state)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(vm_records_add(&records, vm_json_new_int(i),
				     &err),
		    0);
	assert_int_equal(records.count, 100);
	assert_int_equal(vm_json_type(records.items[99]), VM_JSON_INT);
	assert_int_equal(vm_records_add(&records, NULL, &err), -1);
	assert_int_equal(err.kind, VM_E_SYSTEM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_fail),
		cmocka_unit_test(test_step),
		cmocka_unit_test(test_subject),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
