/*
 * yaml_json.c - a JSON value as the tree that the schema checks.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/adapt/yaml.h"

static struct vm_yaml_node *convert(const struct vm_json *json,
    struct vm_error *err);

static struct vm_yaml_node *
new_scalar(const char *text, bool plain, struct vm_error *err)
{
	struct vm_yaml_node *node = calloc(1, sizeof(*node));

	if (node != NULL) {
		node->type = VM_YAML_SCALAR;
		node->plain = plain;
		node->text = strdup(text);
	}
	if (node == NULL || node->text == NULL) {
		vm_error_nomem(err);
		free(node);
		return NULL;
	}
	return node;
}

static struct vm_yaml_node *
convert_scalar(const struct vm_json *json, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	switch (vm_json_type(json)) {
	case VM_JSON_STRING:
		return new_scalar(vm_json_text(json), false, err);
	case VM_JSON_NULL:
		return new_scalar("", true, err);
	default:
		if (vm_json_format(json, false, &text, err) == -1)
			return NULL;
		return new_scalar(text.data, true, err);
	}
}

static int
add_members(struct vm_yaml_node *node, const struct vm_json *object,
    struct vm_error *err)
{
	struct vm_yaml_node **tail = &node->first;

	for (void *it = vm_json_first(object); it != NULL;
	     it = vm_json_next(object, it)) {
		*tail = new_scalar(vm_json_key(it), false, err);
		if (*tail == NULL)
			return -1;
		tail = &(*tail)->next;
		*tail = convert(vm_json_value(it), err);
		if (*tail == NULL)
			return -1;
		tail = &(*tail)->next;
		node->count++;
	}
	return 0;
}

static int
add_items(struct vm_yaml_node *node, const struct vm_json *array,
    struct vm_error *err)
{
	struct vm_yaml_node **tail = &node->first;

	for (size_t i = 0; i < vm_json_count(array); i++) {
		*tail = convert(vm_json_at(array, i), err);
		if (*tail == NULL)
			return -1;
		tail = &(*tail)->next;
		node->count++;
	}
	return 0;
}

/* Recursion is bounded: values come from vm_json_parse(), or are our own. */
static struct vm_yaml_node *
convert(const struct vm_json *json, struct vm_error *err)
{
	VM_CLEAN_YAML struct vm_yaml_node *node = NULL;
	enum vm_json_type type = vm_json_type(json);
	bool is_map = type == VM_JSON_OBJECT;

	if (!is_map && type != VM_JSON_ARRAY)
		return convert_scalar(json, err);
	node = calloc(1, sizeof(*node));
	if (node == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	node->type = is_map ? VM_YAML_MAPPING : VM_YAML_SEQUENCE;
	if ((is_map ? add_members(node, json, err) :
		      add_items(node, json, err)) == -1)
		return NULL;
	return VM_TAKE(node);
}

struct vm_yaml_node *
vm_yaml_from_json(const struct vm_json *json, struct vm_error *err)
{
	if (json == NULL) {
		vm_error_set(err, VM_E_BUG, "no_value", "no value to check");
		return NULL;
	}
	return convert(json, err);
}
