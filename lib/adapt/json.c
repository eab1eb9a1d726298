#include "lib/adapt/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64

/* struct vm_json is jansson's json_t under our name. */
static json_t *
theirs(const struct vm_json *json)
{
	return (json_t *)(uintptr_t)json;
}

static struct vm_json *
ours(json_t *json)
{
	return (struct vm_json *)json;
}

static bool
is_too_deep(const json_t *json, int left)
{
	json_t *node = theirs((const struct vm_json *)json), *value;
	const char *key;
	size_t i;

	if (!json_is_object(node) && !json_is_array(node))
		return false;
	if (left == 0)
		return true;
	json_array_foreach(node, i, value) {
		if (is_too_deep(value, left - 1))
			return true;
	}
	json_object_foreach(node, key, value) {
		if (is_too_deep(value, left - 1))
			return true;
	}
	return false;
}

struct vm_json *
vm_json_parse(const char *text, size_t len, struct vm_error *err)
{
	json_error_t e;
	json_t *json = json_loadb(text, len,
	    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);

	if (json == NULL) {
		if (json_error_code(&e) == json_error_out_of_memory)
			vm_error_nomem(err);
		else
			vm_error_set(err, VM_E_DATA, "bad_json",
			    "line %d, column %d: %s", e.line, e.column, e.text);
		return NULL;
	}
	if (is_too_deep(json, DEPTH_MAX)) {
		json_decref(json);
		vm_error_set(err, VM_E_DATA, "bad_json",
		    "nested deeper than %d levels", DEPTH_MAX);
		return NULL;
	}
	return ours(json);
}

int
vm_json_format(const struct vm_json *json, bool sorted, struct vm_buf *out,
    struct vm_error *err)
{
	size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
	char *text;
	int rc;

	if (sorted)
		flags |= JSON_SORT_KEYS;
	if ((text = json_dumps(theirs(json), flags)) == NULL)
		return vm_error_nomem(err);
	rc = vm_buf_add_string(out, text, err);
	free(text);
	return rc;
}

void
vm_json_free(struct vm_json *json)
{
	json_decref(theirs(json));
}

void
vm_json_clean(struct vm_json **json)
{
	vm_json_free(*json);
}

struct vm_json *
vm_json_new_object(void)
{
	return ours(json_object());
}

struct vm_json *
vm_json_new_array(void)
{
	return ours(json_array());
}

struct vm_json *
vm_json_new_string(const char *s)
{
	return ours(json_string(s));
}

struct vm_json *
vm_json_new_string_len(const char *s, size_t len)
{
	return ours(json_stringn(s, len));
}

struct vm_json *
vm_json_new_int(int64_t number)
{
	return ours(json_integer(number));
}

struct vm_json *
vm_json_new_bool(bool value)
{
	return ours(json_boolean(value));
}

struct vm_json *
vm_json_new_null(void)
{
	return ours(json_null());
}

struct vm_json *
vm_json_copy(const struct vm_json *json)
{
	return ours(json_deep_copy(theirs(json)));
}

enum vm_json_type
vm_json_type(const struct vm_json *json)
{
	if (json == NULL)
		return VM_JSON_NONE;
	switch (json_typeof(theirs(json))) {
	case JSON_OBJECT:
		return VM_JSON_OBJECT;
	case JSON_ARRAY:
		return VM_JSON_ARRAY;
	case JSON_STRING:
		return VM_JSON_STRING;
	case JSON_INTEGER:
		return VM_JSON_INT;
	case JSON_REAL:
		return VM_JSON_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return VM_JSON_BOOL;
	case JSON_NULL:
		break;
	}
	return VM_JSON_NULL;
}

bool
vm_json_is_equal(const struct vm_json *a, const struct vm_json *b)
{
	return a == b ||
	    (a != NULL && b != NULL && json_equal(theirs(a), theirs(b)));
}

/* Array index in text, or -1. */
static long
parse_index(const char *text)
{
	char *end;
	long index;

	if (*text < '0' || *text > '9')
		return -1;
	index = strtol(text, &end, 10);
	return *end == '\0' && index < 1000000 ? index : -1;
}

/* One step down: the member or element called name, borrowed. */
static json_t *
step(json_t *json, const char *name)
{
	long index;

	if (json_is_object(json))
		return json_object_get(json, name);
	if (json_is_array(json) && (index = parse_index(name)) >= 0)
		return json_array_get(json, (size_t)index);
	return NULL;
}

/* Copy the path's next name; returns what follows it, NULL at the end. */
static const char *
next_name(const char *path, char *name, size_t size)
{
	size_t len = strcspn(path, ".");

	if (len >= size)
		len = size - 1;
	memcpy(name, path, len);
	name[len] = '\0';
	path += strcspn(path, ".");
	return *path == '.' ? path + 1 : NULL;
}

struct vm_json *
vm_json_get(const struct vm_json *json, const char *path)
{
	json_t *node = theirs(json);
	char name[256];

	while (path != NULL && node != NULL) {
		path = next_name(path, name, sizeof(name));
		node = step(node, name);
	}
	return ours(node);
}

const char *
vm_json_string(const struct vm_json *json, const char *path,
    const char *otherwise)
{
	const char *s = json_string_value(theirs(vm_json_get(json, path)));

	return s != NULL ? s : otherwise;
}

int64_t
vm_json_int(const struct vm_json *json, const char *path, int64_t otherwise)
{
	json_t *node = theirs(vm_json_get(json, path));

	return json_is_integer(node) ? json_integer_value(node) : otherwise;
}

double
vm_json_real(const struct vm_json *json, const char *path, double otherwise)
{
	json_t *node = theirs(vm_json_get(json, path));

	return json_is_number(node) ? json_number_value(node) : otherwise;
}

bool
vm_json_bool(const struct vm_json *json, const char *path, bool otherwise)
{
	json_t *node = theirs(vm_json_get(json, path));

	return json_is_boolean(node) ? json_boolean_value(node) : otherwise;
}

const char *
vm_json_text(const struct vm_json *json)
{
	return json_string_value(theirs(json));
}

/* Put value (a reference of ours) into node under name; consumes value. */
static int
put(json_t *node, const char *name, json_t *value, struct vm_error *err)
{
	long index;
	int rc = -1;

	if (json_is_object(node)) {
		rc = json_object_set_new(node, name, value);
	} else if (json_is_array(node) && (index = parse_index(name)) >= 0 &&
	    (size_t)index <= json_array_size(node)) {
		rc = (size_t)index == json_array_size(node) ?
		    json_array_append_new(node, value) :
		    json_array_set_new(node, (size_t)index, value);
	} else {
		json_decref(value);
		return vm_error_set(err, VM_E_DATA, "bad_path",
		    "\"%s\": not a member of an object or array", name);
	}
	return rc == 0 ? 0 : vm_error_nomem(err);
}

/* The child called name, made as an empty object when absent. */
static json_t *
descend(json_t *node, const char *name, struct vm_error *err)
{
	json_t *child = step(node, name);

	if (child != NULL)
		return child;
	if ((child = json_object()) == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	return put(node, name, child, err) == -1 ? NULL : step(node, name);
}

int
vm_json_set(struct vm_json *json, const char *path, struct vm_json *value,
    struct vm_error *err)
{
	json_t *node = theirs(json);
	char name[256];

	if (value == NULL)
		return vm_error_nomem(err);
	while ((path = next_name(path, name, sizeof(name))) != NULL) {
		if ((node = descend(node, name, err)) == NULL) {
			vm_json_free(value);
			return -1;
		}
	}
	return put(node, name, theirs(value), err);
}

int
vm_json_set_string(struct vm_json *json, const char *path, const char *s,
    struct vm_error *err)
{
	struct vm_json *value = vm_json_new_string(s);

	if (value == NULL)
		return vm_error_set(err, VM_E_DATA, "bad_utf8",
		    "%s: not valid UTF-8", path);
	return vm_json_set(json, path, value, err);
}

int
vm_json_set_int(struct vm_json *json, const char *path, int64_t number,
    struct vm_error *err)
{
	return vm_json_set(json, path, vm_json_new_int(number), err);
}

int
vm_json_set_bool(struct vm_json *json, const char *path, bool value,
    struct vm_error *err)
{
	return vm_json_set(json, path, vm_json_new_bool(value), err);
}

void
vm_json_delete(struct vm_json *json, const char *path)
{
	json_t *node = theirs(json);
	char name[256];
	long index;

	while ((path = next_name(path, name, sizeof(name))) != NULL) {
		if ((node = step(node, name)) == NULL)
			return;
	}
	if (json_is_object(node))
		(void)json_object_del(node, name);
	else if (json_is_array(node) && (index = parse_index(name)) >= 0)
		(void)json_array_remove(node, (size_t)index);
}

struct vm_json *
vm_json_member(const struct vm_json *json, const char *name)
{
	return ours(json_object_get(theirs(json), name));
}

int
vm_json_set_member(struct vm_json *json, const char *name,
    struct vm_json *value, struct vm_error *err)
{
	if (value == NULL ||
	    json_object_set_new(theirs(json), name, theirs(value)) == -1)
		return vm_error_nomem(err);
	return 0;
}

size_t
vm_json_count(const struct vm_json *json)
{
	json_t *node = theirs(json);

	return json_is_object(node) ? json_object_size(node) :
				      json_array_size(node);
}

struct vm_json *
vm_json_at(const struct vm_json *json, size_t index)
{
	return ours(json_array_get(theirs(json), index));
}

int
vm_json_append(struct vm_json *array, struct vm_json *value,
    struct vm_error *err)
{
	if (value == NULL ||
	    json_array_append_new(theirs(array), theirs(value)) == -1)
		return vm_error_nomem(err);
	return 0;
}

void *
vm_json_first(const struct vm_json *object)
{
	return json_object_iter(theirs(object));
}

void *
vm_json_next(const struct vm_json *object, void *it)
{
	return json_object_iter_next(theirs(object), it);
}

const char *
vm_json_key(void *it)
{
	return json_object_iter_key(it);
}

struct vm_json *
vm_json_value(void *it)
{
	return ours(json_object_iter_value(it));
}
