#include "lib/clone/expand.h"

#include <stdio.h>
#include <string.h>

#include "test/unit.h"

/* Expand and join: "shop-web-1*,shop-web-2" (* there already). */
static int
expand(const char *json, struct vm_clone_options options,
    const char *existing[], char *out, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_json_parse(json, strlen(json),
	    err);
	VM_CLEAN_EXPAND struct vm_expand expanded = { 0 };
	size_t i;

	vm_error_clear(err);
	assert_non_null(record);
	out[0] = '\0';
	if (vm_expand_record(record, &options, (char **)(uintptr_t)existing,
		&expanded, err) == -1)
		return -1;
	for (i = 0; i < expanded.count; i++)
		sprintf(out + strlen(out), "%s%s=%lld%s", i > 0 ? "," : "",
		    expanded.vms[i].name, expanded.vms[i].index,
		    expanded.vms[i].exists ? "*" : "");
	return 0;
}

#define WEB                                                                    \
	"{\"service\":\"shop\",\"role\":\"web\","                              \
	"\"spec\":{\"replicas\":{\"min\":2}}}"
#define HAND "{\"image\":{\"alias\":\"debian-12\"},\"spec\":{}}"

static void
test_counts(void **state)
{
	static const char *none[] = { NULL };
	static const char *gap[] = { "shop-web-2", "shop-web-3", "shop-web-x",
		"shop-webb-1", NULL };
	struct vm_clone_options options = { 0 };
	struct vm_error err = { 0 };
	char out[512];

	(void)state;
	assert_int_equal(0, expand(WEB, options, none, out, &err));
	assert_string_equal("shop-web-1=1,shop-web-2=2", out);
	assert_int_equal(0, expand(HAND, options, none, out, &err));
	assert_string_equal("debian-12-1=1", out);
	/* those that exist count; then the lowest free index */
	assert_int_equal(0, expand(WEB, options, gap, out, &err));
	assert_string_equal("shop-web-2=2*,shop-web-3=3*", out);
	options.count = 4;
	assert_int_equal(0, expand(WEB, options, gap, out, &err));
	assert_string_equal(
	    "shop-web-1=1,shop-web-2=2*,shop-web-3=3*,shop-web-4=4", out);
	options.count = 1;
	assert_int_equal(0, expand(WEB, options, gap, out, &err));
	assert_string_equal("shop-web-2=2*", out);
}

static void
test_indices(void **state)
{
	static const char *some[] = { "shop-web-7", NULL };
	struct vm_clone_options options = { 0 };
	struct vm_error err = { 0 };
	char out[512];

	(void)state;
	assert_int_equal(0,
	    expand("{\"service\":\"shop\",\"role\":\"web\",\"spec\":{},"
		   "\"indices\":[7,3]}",
		options, some, out, &err));
	assert_string_equal("shop-web-7=7*,shop-web-3=3", out);
	assert_int_equal(-1,
	    expand("{\"spec\":{},\"indices\":[0]}", options, some, out, &err));
	assert_int_equal(VM_E_DATA, err.kind);
	assert_int_equal(0,
	    expand("{\"spec\":{},\"indices\":[]}", options, some, out, &err));
	assert_string_equal("", out);
}

static void
test_patterns(void **state)
{
	static const char *some[] = { "w-11-x", "w-5-x", NULL };
	static const char *const bad[] = { "{{index}}{{index}}", "fixed",
		"{{index+}}-", "{{index-1}}", "{{index+99999999}}",
		"Web-{{index}}", "../{{index}}", "{{nonsense}}-{{index}}", "" };
	struct vm_clone_options options = { .count = 2 };
	struct vm_error err = { 0 };
	char out[512];
	size_t i;

	(void)state;
	options.pattern = "w-{{index+10}}-x";
	assert_int_equal(0, expand(WEB, options, some, out, &err));
	assert_string_equal("w-11-x=1*,w-12-x=2", out);
	options.pattern = "{{service}}.{{index}}";
	assert_int_equal(-1, expand(WEB, options, some, out, &err));
	options.pattern = "{{role}}-{{index}}-{{service}}";
	assert_int_equal(0, expand(WEB, options, some, out, &err));
	assert_string_equal("web-1-shop=1,web-2-shop=2", out);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		options.pattern = bad[i];
		assert_int_equal(-1, expand(WEB, options, some, out, &err));
		assert_true(vm_error_is_set(&err));
	}
	options.pattern = "fixed";
	options.count = 1;
	assert_int_equal(0, expand(WEB, options, some, out, &err));
}

static void
test_names(void **state)
{
	static const char *some[] = { "box", NULL };
	char *good[] = { (char[]){ "box" }, (char[]){ "debian-12-9" } };
	char *twice[] = { (char[]){ "box" }, (char[]){ "box" } };
	static const char *const bad[] = { "../x", "-rf", "", "a,b", "a\nb",
		"json:{}", "\xc3\xa4", "A" };
	struct vm_clone_options options = { .names = good, .name_count = 2 };
	struct vm_error err = { 0 };
	char out[512];
	size_t i;

	(void)state;
	assert_int_equal(0, expand(HAND, options, some, out, &err));
	assert_string_equal("box=1*,debian-12-9=9", out);
	options.names = twice;
	assert_int_equal(-1, expand(HAND, options, some, out, &err));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *name = strdup(bad[i]);

		options.names = &name;
		options.name_count = 1;
		assert_int_equal(-1, expand(HAND, options, some, out, &err));
		assert_int_equal(VM_E_USAGE, err.kind);
		assert_string_equal("bad_name", err.code);
		free(name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_indices),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
