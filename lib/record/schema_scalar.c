/*
 * schema_scalar.c - single values: held against their format and brought into
 * normal form.
 */
#include <regex.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/record/schema.h"
#include "lib/record/vars.h"

static struct vm_json *
refuse(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	char safe[80];

	if (schema->secret)
		vm_schema_problem(run, node, "expected %s", schema->what);
	else
		vm_schema_problem(run, node, "expected %s, found \"%s\"",
		    schema->what,
		    vm_log_escape(node->text, safe, sizeof(safe)));
	return NULL;
}

static struct vm_json *
made(struct vm_json *json, struct vm_schema_run *run)
{
	struct vm_error err = { 0 };

	if (json == NULL) {
		vm_error_nomem(&err);
		vm_schema_fail(run, &err);
	}
	return json;
}

static bool
is_word(const struct vm_schema *schema, const char *text)
{
	const char *const *word;

	if (schema->words == NULL)
		return true;
	for (word = schema->words; *word != NULL; word++) {
		if (strcmp(*word, text) == 0)
			return true;
	}
	return false;
}

/* Patterns are our own: one that does not compile matches nothing. */
static bool
is_match(const char *pattern, const char *text)
{
	regex_t regex;
	bool match;

	if (pattern == NULL)
		return true;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	match = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return match;
}

/* 1: has variables, all of them known; 0: has none; -1: refused. */
static int
check_variables(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	struct vm_error err = { 0 };

	if (run->is_expanded || strstr(node->text, "{{") == NULL)
		return 0;
	if (!schema->vars && schema->secret)
		return 0;
	if (!schema->vars) {
		vm_schema_problem(run, node,
		    "{{variables}} are not expanded here");
		return -1;
	}
	if (vm_vars_check_string(node->text, run->is_shared, &err) == -1) {
		vm_schema_problem(run, node, "%s", err.message);
		return -1;
	}
	return 1;
}

static struct vm_json *
build_text(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	struct vm_error err = { 0 };
	size_t len = strlen(node->text);
	int variables = check_variables(schema, node, run);

	if (variables == -1)
		return NULL;
	if (variables == 1)
		return made(vm_json_new_string(node->text), run);
	if (len < schema->min || (schema->max > 0 && len > schema->max))
		return refuse(schema, node, run);
	if (schema->check != NULL && schema->check(node->text, &err) == -1) {
		vm_schema_problem(run, node, "%s", err.message);
		return NULL;
	}
	if (!is_word(schema, node->text) ||
	    !is_match(schema->pattern, node->text))
		return refuse(schema, node, run);
	return made(vm_json_new_string(node->text), run);
}

/* The largest unit that says it exactly: equal sizes are equal texts. */
static struct vm_json *
build_size(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	static const char units[] = "KMGTP";
	char text[32], unit[2] = "";
	uint64_t bytes;

	if (vm_size_parse(node->text, &bytes, NULL) == -1 ||
	    bytes < schema->min || (schema->max > 0 && bytes > schema->max))
		return refuse(schema, node, run);
	for (size_t i = 0; units[i] != '\0' && bytes % 1024 == 0 && bytes > 0;
	     i++) {
		unit[0] = units[i];
		bytes /= 1024;
	}
	snprintf(text, sizeof(text), "%" PRIu64 "%s", bytes, unit);
	return made(vm_json_new_string(text), run);
}

static struct vm_json *
build_duration(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	static const struct {
		uint64_t ms;
		const char *unit;
	} units[] = { { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };
	const char *unit = "ms";
	char text[32];
	uint64_t ms;

	if (vm_size_parse_duration(node->text, &ms, NULL) == -1 ||
	    ms < schema->min || (schema->max > 0 && ms > schema->max))
		return refuse(schema, node, run);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (ms % units[i].ms == 0) {
			ms /= units[i].ms;
			unit = units[i].unit;
			break;
		}
	}
	snprintf(text, sizeof(text), "%" PRIu64 "%s", ms, unit);
	return made(vm_json_new_string(text), run);
}

static struct vm_json *
build_mode(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	char text[8];

	if (!is_match(schema->pattern, node->text))
		return refuse(schema, node, run);
	snprintf(text, sizeof(text), "%04lo", strtoul(node->text, NULL, 8));
	return made(vm_json_new_string(text), run);
}

static struct vm_json *
build_number(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	uint64_t max = schema->max > 0 ? schema->max : INT64_MAX;
	uint64_t number;

	if (vm_size_parse_number(node->text, schema->min, max, &number, NULL) ==
	    -1)
		return refuse(schema, node, run);
	return made(vm_json_new_int((int64_t)number), run);
}

static struct vm_json *
build_bool(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	bool yes = strcmp(node->text, "true") == 0;

	if ((!yes && strcmp(node->text, "false") != 0) ||
	    !is_word(schema, node->text))
		return refuse(schema, node, run);
	return made(vm_json_new_bool(yes), run);
}

struct vm_json *
vm_schema_build_scalar(const struct vm_schema *schema,
    const struct vm_yaml_node *node, struct vm_schema_run *run)
{
	if (node->plain && node->text[0] == '\0') {
		vm_schema_problem(run, node, "no value; expected %s",
		    schema->what);
		return NULL;
	}
	switch (schema->kind) {
	case VM_SCHEMA_SIZE:
		return build_size(schema, node, run);
	case VM_SCHEMA_DURATION:
		return build_duration(schema, node, run);
	case VM_SCHEMA_MODE:
		return build_mode(schema, node, run);
	case VM_SCHEMA_NUMBER:
		return build_number(schema, node, run);
	case VM_SCHEMA_BOOL:
		return build_bool(schema, node, run);
	default:
		return build_text(schema, node, run);
	}
}
