#include "lib/record/schema.h"

#include <regex.h>

#include <string.h>

#include "test/unit.h"

/* Every schema that can be reached: well-formed, and with what it needs. */
static void
check_schema(const struct vm_schema *schema, unsigned depth)
{
	const struct vm_schema_field *field;
	bool has_short = false;
	regex_t regex;

	assert_true(depth < 16);
	assert_non_null(schema);
	assert_non_null(schema->what);
	if (schema->pattern != NULL) {
		assert_int_equal(0,
		    regcomp(&regex, schema->pattern, REG_EXTENDED | REG_NOSUB));
		regfree(&regex);
		assert_int_equal('^', schema->pattern[0]);
	}
	if (schema->kind == VM_SCHEMA_LIST || schema->kind == VM_SCHEMA_DICT)
		check_schema(schema->item, depth + 1);
	if (schema->kind != VM_SCHEMA_MAP)
		return;
	for (field = schema->fields; field->name != NULL; field++) {
		assert_non_null(field->help);
		if (schema->scalar_as != NULL &&
		    strcmp(field->name, schema->scalar_as) == 0)
			has_short = true;
		if ((field->flags & VM_SCHEMA_LATER) == 0)
			check_schema(field->schema, depth + 1);
	}
	assert_true(has_short == (schema->scalar_as != NULL));
}

static void
test_table(void **state)
{
	(void)state;
	check_schema(&vm_schema_manifest, 0);
}

#define ROLE "properties.roles.additionalProperties.properties."

static void
test_json_schema(void **state)
{
	struct vm_error err = { 0 };
	VM_CLEAN_JSON struct vm_json *json = vm_schema_to_json_schema(&err);
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	const struct vm_json *role;

	(void)state;
	assert_non_null(json);
	assert_string_equal("vmpipe", vm_json_string(json, "required.0", ""));
	assert_int_equal(1, vm_json_int(json, "properties.vmpipe.maximum", 0));
	role = vm_json_get(json, "properties.roles.additionalProperties");
	assert_false(vm_json_bool(role, "additionalProperties", true));
	assert_string_equal("image", vm_json_string(role, "required.0", ""));
	assert_null(vm_json_get(role, "properties.scale"));
	assert_non_null(vm_json_get(role, "properties.memory.description"));
	assert_string_equal("bridge",
	    vm_json_string(json,
		ROLE "networks.items.dependentRequired.address.0", ""));
	assert_int_equal(3,
	    vm_json_count(vm_json_get(json, ROLE "networks.items.oneOf")));
	assert_string_equal("integer",
	    vm_json_string(json, ROLE "replicas.anyOf.1.type", ""));
	/* key, file or neither */
	assert_int_equal(3,
	    vm_json_count(vm_json_get(json,
		ROLE "instance.items.properties.ssh_inject.anyOf.0.oneOf")));
	/* a plain secret under instance: only; never a member of records */
	assert_non_null(vm_json_get(json,
	    ROLE "instance.items.properties.root_password.anyOf.0."
		 "properties.plain"));
	assert_null(vm_json_get(json,
	    ROLE "customize.items.properties.root_password.anyOf"));
	assert_int_equal(0, vm_json_format(json, false, &out, &err));
	assert_null(strstr(out.data, "\"sha256\""));
}

static const struct {
	const struct vm_schema *schema;
	const char *good, *bad;
} values[] = {
	{ &vm_schema_ip, "\"fe80::1\"", "\"10.0.0.256\"" },
	{ &vm_schema_address, "\"10.0.0.5/32\"", "\"10.0.0.5/33\"" },
	{ &vm_schema_address, "\"fd00::5/64\"", "\"fd00::5/129\"" },
	{ &vm_schema_mac, "\"52:54:00:12:34:56\"", "\"53:54:00:12:34:56\"" },
	{ &vm_schema_port, "80", "65536" },
	{ &vm_schema_port, "\"80\"", "80.5" },
	{ &vm_schema_any_port, "0", "-1" },
	{ &vm_schema_hostname, "\"0x1f\"", "\"a_b\"" },
	{ &vm_schema_hostname, "\"a.b-c.example\"", "\"a..b\"" },
	{ &vm_schema_guest_path, "\"/\"", "\"/a\\nb\"" },
	{ &vm_schema_guest_path, "\"/a/..b\"", "\"/..\"" },
	{ &vm_schema_word, "\"_apt\"", "\"Root\"" },
	{ &vm_schema_true, "true", "\"yes\"" },
	{ &vm_schema_sha256,
	    "\"00000000000000000000000000000000"
	    "00000000000000000000000000000000\"",
	    "\"00\"" },
	{ &vm_schema_operation, "{\"timezone\":\"Europe/Berlin\"}",
	    "{\"timezone\":\"../../etc\"}" },
	{ &vm_schema_operation, "{\"root_password\":{\"hash\":\"!\"}}",
	    "{\"root_password\":{\"hash\":\"$1$a$b\"}}" },
	{ &vm_schema_operation, "{\"root_password\":{\"hash\":\"$6$a$b\"}}",
	    "{\"root_password\":{\"hash\":\"$6$a:b\"}}" },
	{ &vm_schema_operation,
	    "{\"user\":{\"name\":\"a\",\"ssh_keys\":[\"ssh-ed25519 AAAA\"]}}",
	    "{\"user\":{\"name\":\"a\",\"ssh_keys\":[\"ssh-ed25519\"]}}" },
	{ &vm_schema_operation, "{\"install\":[\"nginx=1.2\"]}",
	    "{\"install\":\"nginx\"}" },
	{ &vm_schema_operation, "{\"delete\":\"/a\"}", "{}" },
	{ &vm_schema_operation,
	    "{\"mkdir\":{\"path\":\"/a\",\"mode\":\"1777\"}}",
	    "{\"mkdir\":\"/a\",\"delete\":\"/b\"}" },
};

static void
test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const char *texts[] = { values[i].good, values[i].bad };

		for (int bad = 0; bad < 2; bad++) {
			struct vm_error err = { 0 };
			VM_CLEAN_BUF struct vm_buf list = { 0 };
			VM_CLEAN_JSON struct vm_json *json = NULL;
			VM_CLEAN_JSON struct vm_json *made = NULL;

			/* a bare value is no JSON text for every parser */
			assert_int_equal(0,
			    vm_buf_format(&list, &err, "[%s]", texts[bad]));
			json = vm_json_parse(list.data, list.len, &err);
			assert_non_null(json);
			made = vm_schema_check_json(values[i].schema,
			    vm_json_at(json, 0), "x", false, &err);
			if ((made == NULL) != bad)
				fail_msg("%s: %s", texts[bad], err.message);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_json_schema),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
