#include "lib/record/vars.h"

#include <stdlib.h>
#include <string.h>

#include "test/unit.h"

static struct vm_json *
parse(const char *text)
{
	struct vm_json *json = vm_json_parse(text, strlen(text), NULL);

	assert_non_null(json);
	return json;
}

static const char record_text[] =
    "{\"kind\":\"vm\",\"name\":\"shop-web-3\",\"service\":\"shop\","
    "\"role\":\"web\",\"index\":3,\"host\":\"node7\",\"identity\":{"
    "\"uuid\":\"u-1\",\"nics\":[{\"mac\":\"52:54:00:00:00:01\"},"
    "{\"mac\":\"52:54:00:00:00:02\",\"address\":\"10.1.2.13/24\"}]}}";

struct example {
	const char *text;
	const char *result; /* or the error's message */
};

static void
test_expand(void **state)
{
	static const struct example examples[] = {
		{ "", "" },
		{ "plain { } }} text", "plain { } }} text" },
		{ "{{name}}.shop", "shop-web-3.shop" },
		{ "{{ index }}/{{index+10}}/{{ index + 7 }}", "3/13/10" },
		{ "{{service}}{{role}}{{host}}{{uuid}}", "shopwebnode7u-1" },
		{ "{{address}} {{mac}}", "10.1.2.13 52:54:00:00:00:01" },
		{ "db={{roles.db.address}}", "db=10.1.2.11" },
		{ "{{roles.db.addresses}}", "10.1.2.11,10.1.2.12" },
		{ "{{{{name}}", "{{name}}" },
		{ "{{{{{{name}}", "{{shop-web-3" },
	};
	VM_CLEAN_JSON struct vm_json *record = parse(record_text);
	VM_CLEAN_JSON struct vm_json *roles =
	    parse("{\"db\":[\"10.1.2.11/24\",\"10.1.2.12\"]}");
	struct vm_vars vars = { .record = record, .roles = roles };

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		struct vm_error err = { 0 };
		VM_CLEAN_FREE char *text = vm_vars_expand_string(&vars,
		    examples[i].text, &err);

		assert_string_equal("", err.message);
		assert_string_equal(examples[i].result, text);
	}
}

static void
test_refused(void **state)
{
	static const struct example examples[] = {
		{ "{{nmae}}",
		    "{{nmae}}: unknown variable; did you mean {{name}}?" },
		{ "{{}}", "{{}}: unknown variable" },
		{ "{{name", "{{ without }}; write {{{{ for a literal {{" },
		{ "{{index+x}}", "{{index+x}}: expected index+NUMBER" },
		{ "{{index+99999999999999999999}}",
		    "{{index+99999999999999999999}}: expected index+NUMBER" },
		{ "{{roles.db}}", "{{roles.db}}: expected roles.ROLE.address" },
		{ "{{roles.db.mac}}",
		    "{{roles.db.mac}}: of a role only "
		    "address and addresses are known" },
		{ "{{roles.db.address}}",
		    "{{roles.db.address}}: no VM of role "
		    "db has an address yet; it gets one when it is cloned with "
		    "a private network" },
		{ "{{env.HOME}}",
		    "{{env.HOME}}: the environment is used only "
		    "with --allow-env" },
		{ "{{env.A B}}", "{{env.A B}}: expected env.NAME" },
		{ "{{a\x1b[2J}}", "{{a\\x1b[2J}}: unknown variable" },
	};
	VM_CLEAN_JSON struct vm_json *record = parse(record_text);
	struct vm_vars vars = { .record = record };

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		struct vm_error err = { 0 };

		assert_null(vm_vars_expand_string(&vars, examples[i].text,
		    &err));
		assert_string_equal(examples[i].result, err.message);
		assert_int_equal(VM_E_DATA, err.kind);
	}
}

/* What is not known for a VM made by hand is an error, never an empty text. */
static void
test_by_hand(void **state)
{
	static const char *const names[] = { "{{service}}", "{{role}}",
		"{{index}}", "{{host}}", "{{uuid}}", "{{mac}}", "{{address}}" };
	VM_CLEAN_JSON struct vm_json *record = parse("{\"name\":\"box\"}");
	struct vm_vars vars = { .record = record };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_null(vm_vars_expand_string(&vars, names[i], NULL));
}

/* A value is never read again, in whatever it lands. */
static void
test_values_are_data(void **state)
{
	VM_CLEAN_JSON struct vm_json *record =
	    parse("{\"name\":\"a\",\"index\":1}");
	VM_CLEAN_JSON struct vm_json *value = parse(
	    "{\"write\":{\"path\":\"/x\",\"list\":[\"{{env.VM_TEST}}\",7]}}");
	VM_CLEAN_JSON struct vm_json *done = NULL;
	struct vm_vars vars = { .record = record, .allow_env = true };
	struct vm_error err = { 0 };

	(void)state;
	setenv("VM_TEST", "{{name}} $(reboot)\n", 1);
	done = vm_vars_expand(&vars, value, &err);
	assert_non_null(done);
	assert_string_equal("{{name}} $(reboot)\n",
	    vm_json_string(done, "write.list.0", ""));
	assert_int_equal(7, vm_json_int(done, "write.list.1", 0));
	setenv("VM_TEST", "\xff", 1);
	assert_null(vm_vars_expand(&vars, value, &err));
	unsetenv("VM_TEST");
	assert_null(vm_vars_expand(&vars, value, &err));
	assert_string_equal("{{env.VM_TEST}}: not set in the environment",
	    err.message);
}

static void
test_places(void **state)
{
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0,
	    vm_vars_check_string("{{service}}-{{role}}", true, &err));
	assert_int_equal(-1, vm_vars_check_string("{{name}}", true, &err));
	assert_string_equal("{{name}}: differs from clone to clone; move the "
			    "operation from customize: to instance:",
	    err.message);
	assert_int_equal(0, vm_vars_check_string("{{name}}", false, &err));
	assert_int_equal(-1, vm_vars_check_string("{{env.A}}", false, &err));
	assert_string_equal("{{env.A}}: not supported by this version of "
			    "vmpipe",
	    err.message);
	assert_int_equal(-1, vm_vars_check_string("{{x}}", false, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_values_are_data),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
