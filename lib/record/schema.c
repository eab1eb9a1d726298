/*
 * schema.c - a tree of nodes held against the table.
 *
 * Every problem is noted and the walk goes on, so that one run shows all of
 * them; a value is built only to be thrown away then.
 */
#include "lib/record/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/nearest.h"

void
vm_schema_fail(struct vm_schema_run *run, const struct vm_error *err)
{
	if (run->count++ == 0)
		run->first = *err;
}

void
vm_schema_problem(struct vm_schema_run *run, const struct vm_yaml_node *at,
    const char *format, ...)
{
	struct vm_error err = { 0 };
	char text[512], where[64] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (run->file != NULL && at != NULL && at->line != 0)
		snprintf(where, sizeof(where), ":%u:%u", at->line, at->column);
	vm_error_set(&err, VM_E_DATA, "bad_manifest", "%s%s%s%s%s%s",
	    run->file != NULL ? run->file : "", where,
	    run->file != NULL ? ": " : "", run->path,
	    run->path[0] != '\0' ? ": " : "", text);
	if (run->problems != NULL && run->count < VM_SCHEMA_MAX_PROBLEMS &&
	    vm_buf_format(run->problems, &run->first, "%s\n", err.message) ==
		-1)
		return;
	vm_schema_fail(run, &err);
}

size_t
vm_schema_enter(struct vm_schema_run *run, const char *name)
{
	size_t mark = strlen(run->path);
	char safe[128];

	vm_log_escape(name, safe, sizeof(safe));
	snprintf(run->path + mark, sizeof(run->path) - mark, "%s%s",
	    mark > 0 ? "." : "", safe);
	return mark;
}

void
vm_schema_leave(struct vm_schema_run *run, size_t mark)
{
	run->path[mark] = '\0';
}

/* What a manifest has there instead of what was due. */
static void
refuse_node(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	char safe[80];

	if (node->type == VM_YAML_SEQUENCE)
		vm_schema_problem(run, node, "expected %s, found a list",
		    schema->what);
	else if (node->type == VM_YAML_MAPPING)
		vm_schema_problem(run, node, "expected %s, found a mapping",
		    schema->what);
	else if (node->plain && node->text[0] == '\0')
		vm_schema_problem(run, node, "no value; expected %s",
		    schema->what);
	else
		vm_schema_problem(run, node, "expected %s, found \"%s\"",
		    schema->what,
		    vm_log_escape(node->text, safe, sizeof(safe)));
}

static const struct vm_schema_field *
find_field(const struct vm_schema *schema, const char *name)
{
	const struct vm_schema_field *field;

	for (field = schema->fields; field->name != NULL; field++) {
		if (strcmp(field->name, name) == 0)
			return field;
	}
	return NULL;
}

static void
refuse_key(const struct vm_schema *schema, const struct vm_yaml_node *key,
    struct vm_schema_run *run)
{
	struct vm_nearest nearest = { .word = key->text };
	const struct vm_schema_field *field;
	char safe[80];

	for (field = schema->fields; field->name != NULL; field++) {
		if ((field->flags & (VM_SCHEMA_LATER | VM_SCHEMA_RECORD)) == 0)
			vm_nearest_offer(&nearest, field->name);
	}
	vm_log_escape(key->text, safe, sizeof(safe));
	if (nearest.best != NULL)
		vm_schema_problem(run, key,
		    "unknown key \"%s\"; did you mean \"%s\"?", safe,
		    nearest.best);
	else
		vm_schema_problem(run, key, "unknown key \"%s\"", safe);
}

/* May this known field stand here?  The path is already the field's. */
static bool
is_welcome(const struct vm_schema_field *field, const struct vm_yaml_node *map,
    const struct vm_yaml_node *key, struct vm_schema_run *run)
{
	if ((field->flags & VM_SCHEMA_LATER) != 0) {
		vm_schema_problem(run, key,
		    "not supported by this version of vmpipe");
		return false;
	}
	if ((field->flags & VM_SCHEMA_RECORD) != 0 && run->is_manifest) {
		vm_schema_problem(run, key,
		    "set by vmfetch, not accepted in a manifest");
		return false;
	}
	if ((field->flags & VM_SCHEMA_PLAIN) != 0 && !run->is_clone) {
		vm_schema_problem(run, key,
		    "a plain secret is accepted only "
		    "under instance:; use {hash: ...} or {file: ...}");
		return false;
	}
	if (field->with != NULL && vm_yaml_key(map, field->with) == NULL) {
		vm_schema_problem(run, key, "accepted only together with %s",
		    field->with);
		return false;
	}
	return true;
}

/* Build the value of one field and put it into map. */
static void
build_member(const struct vm_schema_field *field,
    const struct vm_yaml_node *value, struct vm_json *map,
    struct vm_schema_run *run)
{
	bool is_clone = run->is_clone, is_shared = run->is_shared;
	struct vm_json *built;
	struct vm_error err = { 0 };

	run->is_clone |= (field->flags & VM_SCHEMA_CLONE) != 0;
	run->is_shared |= (field->flags & VM_SCHEMA_SHARED) != 0;
	built = vm_schema_build(field->schema, value, run);
	run->is_clone = is_clone;
	run->is_shared = is_shared;
	if (built != NULL &&
	    vm_json_set_member(map, field->name, built, &err) == -1)
		vm_schema_fail(run, &err);
}

/* Are the fields that must be there, there? */
static void
check_missing(const struct vm_schema *schema, const struct vm_yaml_node *node,
    size_t choices, struct vm_schema_run *run)
{
	const struct vm_schema_field *field;

	for (field = schema->fields; field->name != NULL; field++) {
		if ((field->flags & VM_SCHEMA_REQUIRED) != 0 &&
		    vm_yaml_key(node, field->name) == NULL)
			vm_schema_problem(run, node, "key \"%s\" is missing",
			    field->name);
	}
	if (schema->need_choice && choices == 0)
		vm_schema_problem(run, node, "expected %s", schema->what);
}

static void
build_members(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_json *map, struct vm_schema_run *run)
{
	const struct vm_schema_field *field;
	const struct vm_yaml_node *key, *chosen = NULL;
	unsigned unknown = 0;
	size_t mark, choices = 0;

	for (key = node->first; key != NULL; key = key->next->next) {
		field = find_field(schema, key->text);
		if (field == NULL) {
			refuse_key(schema, key, run);
			unknown++;
			continue;
		}
		if ((field->flags & VM_SCHEMA_CHOICE) != 0 && choices++ == 0)
			chosen = key;
		if (choices > 1 && (field->flags & VM_SCHEMA_CHOICE) != 0)
			vm_schema_problem(run, key,
			    "\"%s\" cannot stand beside \"%s\"", key->text,
			    chosen->text);
		mark = vm_schema_enter(run, field->name);
		if (is_welcome(field, node, key, run))
			build_member(field, key->next, map, run);
		vm_schema_leave(run, mark);
	}
	/* a mistyped key is most likely the one that is missing */
	if (unknown == 0)
		check_missing(schema, node, choices, run);
}

/* The scalar that stands for a map with that one member. */
static void
build_short(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_json *map, struct vm_schema_run *run)
{
	const struct vm_schema_field *field;

	field = find_field(schema, schema->scalar_as);
	if (is_welcome(field, node, node, run))
		build_member(field, node, map, run);
}

/* Is there an earlier item with the same text in the member `unique'? */
static void
check_unique(const struct vm_schema *schema, const struct vm_yaml_node *list,
    const struct vm_yaml_node *item, struct vm_schema_run *run)
{
	const struct vm_yaml_node *value, *other, *same;

	if (schema->unique == NULL)
		return;
	value = vm_yaml_value(item, schema->unique);
	if (value == NULL || value->type != VM_YAML_SCALAR)
		return;
	for (other = list->first; other != item; other = other->next) {
		same = vm_yaml_value(other, schema->unique);
		if (same != NULL && same->type == VM_YAML_SCALAR &&
		    strcmp(same->text, value->text) == 0) {
			vm_schema_problem(run, value,
			    "\"%s\" is already in this list", value->text);
			return;
		}
	}
}

static void
build_items(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_json *list, struct vm_schema_run *run)
{
	const struct vm_yaml_node *item;
	struct vm_error err = { 0 };
	struct vm_json *built;
	char index[24];
	size_t mark, i = 0;

	for (item = node->first; item != NULL; item = item->next, i++) {
		snprintf(index, sizeof(index), "%zu", i);
		mark = vm_schema_enter(run, index);
		built = vm_schema_build(schema->item, item, run);
		check_unique(schema, node, item, run);
		vm_schema_leave(run, mark);
		if (built != NULL && vm_json_append(list, built, &err) == -1)
			vm_schema_fail(run, &err);
	}
}

static void
build_entries(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_json *map, struct vm_schema_run *run)
{
	const struct vm_yaml_node *key;
	struct vm_error err = { 0 };
	struct vm_json *name, *built;
	size_t mark;

	for (key = node->first; key != NULL; key = key->next->next) {
		mark = vm_schema_enter(run, key->text);
		name = vm_schema_build(schema->key, key, run);
		vm_json_free(name);
		built = vm_schema_build(schema->item, key->next, run);
		vm_schema_leave(run, mark);
		if (built != NULL &&
		    vm_json_set_member(map, key->text, built, &err) == -1)
			vm_schema_fail(run, &err);
	}
}

static bool
is_collection(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	bool is_list = schema->kind == VM_SCHEMA_LIST;

	if (node->type != (is_list ? VM_YAML_SEQUENCE : VM_YAML_MAPPING)) {
		refuse_node(schema, node, run);
		return false;
	}
	if (schema->kind == VM_SCHEMA_MAP)
		return true;
	if (node->count < schema->min)
		vm_schema_problem(run, node, "empty; expected %s",
		    schema->what);
	if (schema->max > 0 && node->count > schema->max)
		vm_schema_problem(run, node, "more than %llu",
		    (unsigned long long)schema->max);
	return true;
}

struct vm_json *
vm_schema_build(const struct vm_schema *schema, const struct vm_yaml_node *node,
    struct vm_schema_run *run)
{
	VM_CLEAN_JSON struct vm_json *json = NULL;
	unsigned before = run->count;
	struct vm_error err = { 0 };
	bool is_short = schema->scalar_as != NULL &&
	    node->type == VM_YAML_SCALAR &&
	    !(node->plain && node->text[0] == '\0');

	if (schema->kind < VM_SCHEMA_LIST && node->type != VM_YAML_SCALAR) {
		refuse_node(schema, node, run);
		return NULL;
	}
	if (schema->kind < VM_SCHEMA_LIST)
		return vm_schema_build_scalar(schema, node, run);
	if (!is_short && !is_collection(schema, node, run))
		return NULL;
	json = schema->kind == VM_SCHEMA_LIST ? vm_json_new_array() :
						vm_json_new_object();
	if (json == NULL) {
		vm_error_nomem(&err);
		vm_schema_fail(run, &err);
		return NULL;
	}
	if (is_short)
		build_short(schema, node, json, run);
	else if (schema->kind == VM_SCHEMA_LIST)
		build_items(schema, node, json, run);
	else if (schema->kind == VM_SCHEMA_DICT)
		build_entries(schema, node, json, run);
	else
		build_members(schema, node, json, run);
	return run->count == before ? VM_TAKE(json) : NULL;
}

struct vm_json *
vm_schema_check_json(const struct vm_schema *schema,
    const struct vm_json *value, const char *name, bool expanded,
    struct vm_error *err)
{
	VM_CLEAN_YAML struct vm_yaml_node *node = NULL;
	struct vm_schema_run run = { .is_expanded = expanded };
	struct vm_json *built;

	/* whose operation it is, is not known here: the manifest was checked */
	run.is_clone = schema == &vm_schema_operation ||
	    schema == &vm_schema_operations;
	node = vm_yaml_from_json(value, err);
	if (node == NULL)
		return NULL;
	vm_schema_enter(&run, name);
	built = vm_schema_build(schema, node, &run);
	if (built == NULL && err != NULL)
		*err = run.first;
	return built;
}
