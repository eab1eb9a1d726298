#include "lib/record/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/record/manifest_check.h"
#include "lib/record/schema.h"

/* A pipe or a symbolic link is welcome: it is the caller's own file. */
static int
read_text(const char *path, struct vm_buf *text, struct vm_error *err)
{
	VM_CLEAN_FD int fd = -1;

	if (strcmp(path, "-") == 0)
		return vm_fd_slurp(0, VM_MANIFEST_MAX, text, "<stdin>", err);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return vm_error_errno(err, errno, "%s", path);
	return vm_fd_slurp(fd, VM_MANIFEST_MAX, text, path, err);
}

/* The one problem of a file that could not be read as YAML. */
static int
note(struct vm_buf *problems, const struct vm_error *failure,
    struct vm_error *err)
{
	if (err != NULL)
		*err = *failure;
	if (problems == NULL)
		return -1;
	if (vm_buf_format(problems, NULL, "%s\n", failure->message) == -1)
		vm_error_nomem(err);
	return -1;
}

static struct vm_json *
check_text(const char *name, const struct vm_buf *text, struct vm_buf *problems,
    struct vm_error *err)
{
	VM_CLEAN_YAML struct vm_yaml_node *root = NULL;
	VM_CLEAN_JSON struct vm_json *json = NULL;
	struct vm_schema_run run = {
		.file = name, .problems = problems, .is_manifest = true
	};

	root = vm_yaml_parse(name, text->data, text->len, &run.first);
	if (root == NULL) {
		note(problems, &run.first, err);
		return NULL;
	}
	json = vm_schema_build(&vm_schema_manifest, root, &run);
	if (json != NULL)
		vm_manifest_check_whole(json, root, &run);
	if (run.count == 0)
		return VM_TAKE(json);
	if (err != NULL)
		*err = run.first;
	return NULL;
}

static char *
directory_of(const char *path, struct vm_error *err)
{
	VM_CLEAN_FREE char *copy = NULL;

	if (strcmp(path, "-") == 0)
		return vm_buf_printf(err, ".");
	copy = vm_buf_printf(err, "%s", path);
	return copy != NULL ? vm_buf_printf(err, "%s", dirname(copy)) : NULL;
}

int
vm_manifest_load(const char *path, struct vm_manifest *manifest,
    struct vm_buf *problems, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_MANIFEST struct vm_manifest made = { 0 };
	struct vm_error failure = { 0 };

	made.path = vm_buf_printf(err, "%s",
	    strcmp(path, "-") == 0 ? "<stdin>" : path);
	if (made.path == NULL)
		return -1;
	if (read_text(path, &text, &failure) == -1)
		return note(problems, &failure, err);
	made.json = check_text(made.path, &text, problems, err);
	if (made.json == NULL)
		return -1;
	made.directory = directory_of(path, err);
	made.text = vm_buf_take(&text, err);
	if (made.directory == NULL || made.text == NULL)
		return -1;
	*manifest = made;
	made = (struct vm_manifest){ 0 };
	return 0;
}

int
vm_manifest_parse(const char *path, const char *directory, const char *text,
    struct vm_manifest *manifest, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf copy = { 0 };
	VM_CLEAN_MANIFEST struct vm_manifest made = { 0 };

	if (vm_buf_add_string(&copy, text, err) == -1)
		return -1;
	made.json = check_text(path, &copy, NULL, err);
	if (made.json == NULL)
		return -1;
	made.path = vm_buf_printf(err, "%s", path);
	made.directory = vm_buf_printf(err, "%s", directory);
	made.text = vm_buf_take(&copy, err);
	if (made.path == NULL || made.directory == NULL || made.text == NULL)
		return -1;
	*manifest = made;
	made = (struct vm_manifest){ 0 };
	return 0;
}

void
vm_manifest_release(struct vm_manifest *manifest)
{
	vm_json_free(manifest->json);
	free(manifest->path);
	free(manifest->directory);
	free(manifest->text);
	*manifest = (struct vm_manifest){ 0 };
}

struct vm_json *
vm_manifest_order(const struct vm_manifest *manifest, struct vm_error *err)
{
	return vm_manifest_order_roles(vm_json_get(manifest->json, "roles"),
	    NULL, err);
}

/* Members of `from` replace those of the same name in `to`. */
static int
replace_members(struct vm_json *to, const struct vm_json *from,
    struct vm_error *err)
{
	for (void *it = vm_json_first(from); it != NULL;
	     it = vm_json_next(from, it)) {
		if (vm_json_set_member(to, vm_json_key(it),
			vm_json_copy(vm_json_value(it)), err) == -1)
			return -1;
	}
	return 0;
}

int
vm_manifest_check_role(struct vm_json *role, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *checked = NULL;

	checked = vm_schema_check_json(&vm_schema_role, role, "spec", false,
	    err);
	return checked != NULL ? replace_members(role, checked, err) : -1;
}

/* Scalars as text: the schema gives them their types. */
static struct vm_json *
untyped(const struct vm_yaml_node *node, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = NULL;
	const struct vm_yaml_node *child = node->first;

	if (node->type == VM_YAML_SCALAR) {
		json = node->plain && node->text[0] == '\0' ?
		    vm_json_new_null() :
		    vm_json_new_string(node->text);
	} else {
		json = node->type == VM_YAML_MAPPING ? vm_json_new_object() :
						       vm_json_new_array();
	}
	if (json == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	while (child != NULL) {
		bool is_map = node->type == VM_YAML_MAPPING;
		struct vm_json *value = untyped(is_map ? child->next : child,
		    err);

		if (value == NULL ||
		    (is_map ?
			    vm_json_set_member(json, child->text, value, err) :
			    vm_json_append(json, value, err)) == -1)
			return NULL;
		child = is_map ? child->next->next : child->next;
	}
	return VM_TAKE(json);
}

/* The role with value (taken) at key, checked. */
static struct vm_json *
assign(const struct vm_json *role, const char *key, struct vm_json *value,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *copy = vm_json_copy(role);

	if (copy == NULL) {
		vm_json_free(value);
		vm_error_nomem(err);
		return NULL;
	}
	if (vm_json_set(copy, key, value, err) == -1)
		return NULL;
	return vm_schema_check_json(&vm_schema_role, copy, "", false, err);
}

/* The command line is at fault, whatever the schema calls it. */
static int
bad_set(struct vm_error *err)
{
	if (err != NULL && err->kind == VM_E_DATA)
		err->kind = VM_E_USAGE;
	return vm_error_wrap(err, "--set");
}

int
vm_manifest_set(struct vm_json *role, const char *assignment,
    struct vm_error *err)
{
	VM_CLEAN_YAML struct vm_yaml_node *node = NULL;
	VM_CLEAN_JSON struct vm_json *checked = NULL;
	VM_CLEAN_FREE char *key = NULL;
	const char *equals = strchr(assignment, '=');
	struct vm_json *value;

	if (equals == NULL || equals == assignment)
		return vm_error_set(err, VM_E_USAGE, "bad_assignment",
		    "--set %.100s: expected KEY=VALUE", assignment);
	key = vm_buf_printf(err, "%.*s", (int)(equals - assignment),
	    assignment);
	if (key == NULL)
		return -1;
	node = vm_yaml_parse(key, equals + 1, strlen(equals + 1), err);
	if (node == NULL)
		return bad_set(err);
	value = untyped(node, err);
	if (value == NULL)
		return -1;
	checked = assign(role, key, value, err);
	if (checked == NULL)
		return bad_set(err);
	return replace_members(role, checked, err);
}

size_t
vm_manifest_initial(const struct vm_json *role)
{
	int64_t min = vm_json_int(role, "replicas.min", 1);

	return (size_t)vm_json_int(role, "replicas.initial", min);
}
