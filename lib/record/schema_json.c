/*
 * schema_json.c - the table as JSON Schema (draft 2020-12), for editors.
 *
 * It says what single values may be; what takes several values to see (rings,
 * ports used twice) only `vmsched check` finds.
 */
#include <stdio.h>
#include <string.h>

#include "lib/record/schema.h"

#define SIZE_PATTERN "^[0-9]+([KMGTPkmgtp](iB)?)?$"
#define DURATION_PATTERN "^([0-9]+|([0-9]+(ms|s|m|h|d))+)$"

static struct vm_json *describe(const struct vm_schema *schema, bool is_clone,
    struct vm_error *err);

static int
set_text(struct vm_json *out, const char *name, const char *text,
    struct vm_error *err)
{
	return vm_json_set_member(out, name, vm_json_new_string(text), err);
}

static int
set_number(struct vm_json *out, const char *name, uint64_t number,
    struct vm_error *err)
{
	return vm_json_set_member(out, name, vm_json_new_int((int64_t)number),
	    err);
}

/* An array of texts. */
static int
set_list(struct vm_json *out, const char *name, const char *const *words,
    struct vm_error *err)
{
	struct vm_json *list = vm_json_new_array();

	for (; list != NULL && *words != NULL; words++) {
		if (vm_json_append(list, vm_json_new_string(*words), err) ==
		    -1) {
			vm_json_free(list);
			return -1;
		}
	}
	return vm_json_set_member(out, name, list, err);
}

/* Text that YAML may have read as a number is as good. */
static int
describe_loose(struct vm_json *out, const char *pattern, struct vm_error *err)
{
	static const char *const types[] = { "string", "integer", NULL };

	if (set_list(out, "type", types, err) == -1)
		return -1;
	return set_text(out, "pattern", pattern, err);
}

/* A pattern, which a text with variables need not match. */
static int
describe_pattern(struct vm_json *out, const struct vm_schema *schema,
    struct vm_error *err)
{
	static const char *const paths[] = { "anyOf.0.pattern",
		"anyOf.1.pattern" };

	if (!schema->vars)
		return set_text(out, "pattern", schema->pattern, err);
	if (vm_json_set_member(out, "anyOf", vm_json_new_array(), err) == -1)
		return -1;
	for (size_t i = 0; i < 2; i++) {
		struct vm_json *choice = vm_json_new_object();

		if (vm_json_append(vm_json_member(out, "anyOf"), choice, err) ==
		    -1)
			return -1;
	}
	if (vm_json_set_string(out, paths[0], schema->pattern, err) == -1)
		return -1;
	return vm_json_set_string(out, paths[1], "\\{\\{", err);
}

static int
describe_text(struct vm_json *out, const struct vm_schema *schema,
    struct vm_error *err)
{
	static const char *const any[] = { "string", "number", "boolean",
		NULL };

	if (schema->words != NULL)
		return set_list(out, "enum", schema->words, err);
	if (schema->pattern == NULL && schema->check == NULL)
		return set_list(out, "type", any, err);
	if (set_text(out, "type", "string", err) == -1)
		return -1;
	return schema->pattern != NULL ? describe_pattern(out, schema, err) : 0;
}

static int
describe_number(struct vm_json *out, const struct vm_schema *schema,
    struct vm_error *err)
{
	if (set_text(out, "type", "integer", err) == -1 ||
	    set_number(out, "minimum", schema->min, err) == -1)
		return -1;
	return schema->max > 0 ? set_number(out, "maximum", schema->max, err) :
				 0;
}

static int
describe_bool(struct vm_json *out, const struct vm_schema *schema,
    struct vm_error *err)
{
	if (schema->words != NULL)
		return vm_json_set_member(out, "const", vm_json_new_bool(true),
		    err);
	return set_text(out, "type", "boolean", err);
}

static int
describe_list(struct vm_json *out, const struct vm_schema *schema,
    bool is_clone, struct vm_error *err)
{
	if (set_text(out, "type", "array", err) == -1 ||
	    vm_json_set_member(out, "items",
		describe(schema->item, is_clone, err), err) == -1)
		return -1;
	if (schema->min > 0 &&
	    set_number(out, "minItems", schema->min, err) == -1)
		return -1;
	return schema->max > 0 ? set_number(out, "maxItems", schema->max, err) :
				 0;
}

static int
describe_dict(struct vm_json *out, const struct vm_schema *schema,
    bool is_clone, struct vm_error *err)
{
	if (set_text(out, "type", "object", err) == -1 ||
	    vm_json_set_string(out, "propertyNames.pattern",
		schema->key->pattern, err) == -1 ||
	    vm_json_set_member(out, "additionalProperties",
		describe(schema->item, is_clone, err), err) == -1 ||
	    set_number(out, "minProperties", schema->min, err) == -1)
		return -1;
	return set_number(out, "maxProperties", schema->max, err);
}

static bool
is_shown(const struct vm_schema_field *field, bool is_clone)
{
	unsigned hidden = VM_SCHEMA_LATER | VM_SCHEMA_RECORD |
	    (is_clone ? 0U : VM_SCHEMA_PLAIN);

	return (field->flags & hidden) == 0;
}

/* {"required":[name]}, one of which must hold. */
static int
add_choice(struct vm_json *choices, const char *name, struct vm_error *err)
{
	const char *words[] = { name, NULL };
	struct vm_json *choice = vm_json_new_object();

	if (choice != NULL && set_list(choice, "required", words, err) == -1) {
		vm_json_free(choice);
		return -1;
	}
	return vm_json_append(choices, choice, err);
}

static int
add_field(struct vm_json *out, const struct vm_schema_field *field,
    bool is_clone, struct vm_error *err)
{
	struct vm_json *value;
	const char *with[] = { field->with, NULL };
	struct vm_json *needs = vm_json_get(out, "dependentRequired");

	is_clone |= (field->flags & VM_SCHEMA_CLONE) != 0;
	value = describe(field->schema, is_clone, err);
	if (value != NULL &&
	    set_text(value, "description", field->help, err) == -1) {
		vm_json_free(value);
		return -1;
	}
	if (vm_json_set_member(vm_json_get(out, "properties"), field->name,
		value, err) == -1)
		return -1;
	if ((field->flags & VM_SCHEMA_REQUIRED) != 0 &&
	    vm_json_append(vm_json_get(out, "required"),
		vm_json_new_string(field->name), err) == -1)
		return -1;
	return field->with != NULL ? set_list(needs, field->name, with, err) :
				     0;
}

/* A member that turned out empty says nothing. */
static void
drop_empty(struct vm_json *out, const char *name)
{
	if (vm_json_count(vm_json_member(out, name)) == 0)
		vm_json_delete(out, name);
}

static int
describe_map(struct vm_json *out, const struct vm_schema *schema, bool is_clone,
    struct vm_error *err)
{
	const struct vm_schema_field *field;
	VM_CLEAN_JSON struct vm_json *choices = vm_json_new_array();
	struct vm_json *none;

	if (set_text(out, "type", "object", err) == -1 ||
	    vm_json_set_member(out, "properties", vm_json_new_object(), err) ==
		-1 ||
	    vm_json_set_member(out, "required", vm_json_new_array(), err) ==
		-1 ||
	    vm_json_set_member(out, "dependentRequired", vm_json_new_object(),
		err) == -1 ||
	    vm_json_set_bool(out, "additionalProperties", false, err) == -1)
		return -1;
	for (field = schema->fields; field->name != NULL; field++) {
		if (!is_shown(field, is_clone))
			continue;
		if (add_field(out, field, is_clone, err) == -1)
			return -1;
		if ((field->flags & VM_SCHEMA_CHOICE) != 0 &&
		    add_choice(choices, field->name, err) == -1)
			return -1;
	}
	drop_empty(out, "required");
	drop_empty(out, "dependentRequired");
	if (vm_json_count(choices) == 0)
		return 0;
	if (!schema->need_choice) {
		none = vm_json_new_object();
		if (none != NULL &&
		    vm_json_set(none, "not.anyOf", vm_json_copy(choices),
			err) == -1) {
			vm_json_free(none);
			return -1;
		}
		if (vm_json_append(choices, none, err) == -1)
			return -1;
	}
	return vm_json_set_member(out, "oneOf", VM_TAKE(choices), err);
}

/* The scalar that is short for the map, or the map. */
static int
describe_short(struct vm_json *out, const struct vm_schema *schema,
    bool is_clone, struct vm_error *err)
{
	const struct vm_schema_field *field = schema->fields;
	struct vm_json *map;

	while (strcmp(field->name, schema->scalar_as) != 0)
		field++;
	if (!is_shown(field, is_clone))
		return describe_map(out, schema, is_clone, err);
	map = vm_json_new_object();
	if (map != NULL && describe_map(map, schema, is_clone, err) == -1) {
		vm_json_free(map);
		return -1;
	}
	if (vm_json_set_member(out, "anyOf", vm_json_new_array(), err) == -1) {
		vm_json_free(map);
		return -1;
	}
	if (vm_json_append(vm_json_member(out, "anyOf"), map, err) == -1)
		return -1;
	return vm_json_append(vm_json_member(out, "anyOf"),
	    describe(field->schema, is_clone, err), err);
}

static int
describe_into(struct vm_json *out, const struct vm_schema *schema,
    bool is_clone, struct vm_error *err)
{
	switch (schema->kind) {
	case VM_SCHEMA_SIZE:
		return describe_loose(out, SIZE_PATTERN, err);
	case VM_SCHEMA_DURATION:
		return describe_loose(out, DURATION_PATTERN, err);
	case VM_SCHEMA_MODE:
		return describe_loose(out, schema->pattern, err);
	case VM_SCHEMA_NUMBER:
		return describe_number(out, schema, err);
	case VM_SCHEMA_BOOL:
		return describe_bool(out, schema, err);
	case VM_SCHEMA_LIST:
		return describe_list(out, schema, is_clone, err);
	case VM_SCHEMA_DICT:
		return describe_dict(out, schema, is_clone, err);
	case VM_SCHEMA_MAP:
		return schema->scalar_as != NULL ?
		    describe_short(out, schema, is_clone, err) :
		    describe_map(out, schema, is_clone, err);
	default:
		return describe_text(out, schema, err);
	}
}

static struct vm_json *
describe(const struct vm_schema *schema, bool is_clone, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *out = vm_json_new_object();

	if (out == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	return describe_into(out, schema, is_clone, err) == 0 ? VM_TAKE(out) :
								NULL;
}

struct vm_json *
vm_schema_to_json_schema(struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *out = vm_json_new_object();

	if (out == NULL ||
	    set_text(out, "$schema",
		"https://json-schema.org/draft/2020-12/schema", err) == -1 ||
	    set_text(out, "title", "vmpipe manifest", err) == -1) {
		return NULL;
	}
	return describe_into(out, &vm_schema_manifest, false, err) == 0 ?
	    VM_TAKE(out) :
	    NULL;
}
