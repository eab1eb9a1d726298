#include "lib/guest/ops.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/guest/ops_private.h"
#include "lib/store/file.h"

struct op {
	const char *name;
	int version;
	unsigned flags;
	vm_op_apply *apply;
	const char *show; /* member for -n; NULL: the text or list */
};

static const struct op table[] = {
	{ "hostname", 1, VM_OP_HOSTNAME, vm_op_hostname, NULL },
	{ "write", 1, 0, vm_op_write, "path" },
	{ "append_line", 1, 0, vm_op_append_line, "path" },
	{ "upload", 1, 0, vm_op_upload, "path" },
	{ "mkdir", 1, 0, vm_op_mkdir, "path" },
	{ "delete", 1, 0, vm_op_delete, "path" },
	{ "link", 1, 0, vm_op_link, "path" },
	{ "chmod", 1, 0, vm_op_chmod, "path" },
	{ "user", 1, 0, vm_op_user, "name" },
	{ "root_password", 1, 0, vm_op_root_password, "" },
	{ "ssh_inject", 1, 0, vm_op_ssh_inject, "user" },
	{ "timezone", 1, 0, vm_op_timezone, NULL },
	{ "run", 1, 0, vm_op_run, "source" },
	{ "run_command", 1, 0, vm_op_run_command, NULL },
	{ "install", 1, VM_OP_NETWORK, vm_op_install, NULL },
	{ "firstboot", 1, 0, vm_op_firstboot, "source" },
	{ "firstboot_command", 1, 0, vm_op_firstboot_command, NULL },
};

/* Members that only say where a file was on the host that took it in. */
static const char *const local_names[] = { "source", "file" };

/* The operation and its arguments, or NULL. */
static const struct op *
find(const struct vm_json *op, const struct vm_json **args)
{
	void *it = vm_json_count(op) == 1 ? vm_json_first(op) : NULL;

	for (size_t i = 0; it != NULL && i < sizeof table / sizeof table[0];
	     i++)
		if (strcmp(vm_json_key(it), table[i].name) == 0) {
			*args = vm_json_value(it);
			return &table[i];
		}
	return NULL;
}

unsigned
vm_ops_flags(const struct vm_json *ops)
{
	const struct vm_json *args;
	unsigned flags = 0;

	for (size_t i = 0; i < vm_json_count(ops); i++) {
		const struct op *op = find(vm_json_at(ops, i), &args);

		if (op != NULL)
			flags |= op->flags;
	}
	return flags;
}

/* Is every file named below value in the store? */
static int
check_files(struct vm_store *store, const struct vm_json *value,
    struct vm_error *err)
{
	for (size_t i = 0;
	     vm_json_type(value) == VM_JSON_ARRAY && i < vm_json_count(value);
	     i++)
		if (check_files(store, vm_json_at(value, i), err) == -1)
			return -1;
	if (vm_json_type(value) != VM_JSON_OBJECT)
		return 0;
	for (size_t i = 0; i < sizeof local_names / sizeof local_names[0];
	     i++) {
		const char *name = vm_json_string(value, local_names[i], NULL);
		const char *hex = vm_json_string(value, "sha256", NULL);

		if (name == NULL)
			continue;
		if (hex == NULL) {
			vm_error_set(err, VM_E_NO_INPUT, "file_not_found",
			    "%s: the file was not taken into the store", name);
			return vm_error_hint(err, "vmfetch MANIFEST");
		}
		/* its content is checked when it is used */
		if (faccessat(store->fds[VM_STORE_FILES], hex, F_OK,
			AT_SYMLINK_NOFOLLOW) == -1)
			return vm_error_set(err, VM_E_NO_INPUT,
			    "file_not_found",
			    "%s: its content (files/%.12s...) is not in the "
			    "store",
			    name, hex);
	}
	for (void *it = vm_json_first(value); it != NULL;
	     it = vm_json_next(value, it))
		if (check_files(store, vm_json_value(it), err) == -1)
			return -1;
	return 0;
}

int
vm_ops_check(struct vm_store *store, const struct vm_json *ops,
    struct vm_error *err)
{
	for (size_t i = 0; i < vm_json_count(ops); i++) {
		const struct vm_json *op = vm_json_at(ops, i), *args;
		void *it = vm_json_first(op);

		if (find(op, &args) == NULL)
			return vm_error_set(err, VM_E_DATA, "bad_operation",
			    "%s: not an operation that this version knows",
			    it == NULL ? "{}" : vm_json_key(it));
		if (check_files(store, args, err) == -1)
			return -1;
	}
	return 0;
}

/* Of a local name only the last component can matter (an upload's). */
static int
strip_directory(struct vm_json *value, const char *member, struct vm_error *err)
{
	const char *name = vm_json_string(value, member, NULL);
	const char *slash = name == NULL ? NULL : strrchr(name, '/');

	if (slash == NULL)
		return 0;
	VM_CLEAN_FREE char *last = strdup(slash + 1);
	if (last == NULL)
		return vm_error_nomem(err);
	return vm_json_set_string(value, member, last, err);
}

static int
strip_names(struct vm_json *value, struct vm_error *err)
{
	if (vm_json_type(value) == VM_JSON_ARRAY) {
		for (size_t i = 0; i < vm_json_count(value); i++)
			if (strip_names(vm_json_at(value, i), err) == -1)
				return -1;
		return 0;
	}
	if (vm_json_type(value) != VM_JSON_OBJECT)
		return 0;
	if (vm_json_get(value, "sha256") != NULL)
		for (size_t i = 0;
		     i < sizeof local_names / sizeof local_names[0]; i++)
			if (strip_directory(value, local_names[i], err) == -1)
				return -1;
	for (void *it = vm_json_first(value); it != NULL;
	     it = vm_json_next(value, it))
		if (strip_names(vm_json_value(it), err) == -1)
			return -1;
	return 0;
}

struct vm_json *
vm_ops_canonical(const struct vm_json *ops, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *list = vm_json_new_array();

	for (size_t i = 0; i < vm_json_count(ops); i++) {
		const struct vm_json *args;
		const struct op *op = find(vm_json_at(ops, i), &args);
		struct vm_json *entry = vm_json_new_object();
		struct vm_json *copy = vm_json_copy(args);

		if (vm_json_append(list, entry, err) == -1 ||
		    vm_json_set_string(entry, "op", op == NULL ? "" : op->name,
			err) == -1 ||
		    vm_json_set_int(entry, "version",
			op == NULL ? 0 : op->version, err) == -1 ||
		    vm_json_set(entry, "args", copy, err) == -1 ||
		    strip_names(copy, err) == -1)
			return NULL;
	}
	if (list == NULL)
		vm_error_nomem(err);
	return VM_TAKE(list);
}

int
vm_ops_apply(const struct vm_op_context *context, const struct vm_json *ops,
    struct vm_error *err)
{
	for (size_t i = 0; i < vm_json_count(ops); i++) {
		const struct vm_json *args;
		const struct op *op = find(vm_json_at(ops, i), &args);

		if (op == NULL)
			return vm_error_set(err, VM_E_DATA, "bad_operation",
			    "not an operation that this version knows");
		if (op->apply(context, args, err) == -1)
			return vm_error_wrap(err, "%s", op->name);
	}
	return 0;
}

int
vm_ops_describe(const struct vm_json *json, struct vm_buf *out,
    struct vm_error *err)
{
	const struct vm_json *args;
	const struct op *op = find(json, &args);
	const char *text;

	if (op == NULL)
		return vm_error_set(err, VM_E_DATA, "bad_operation",
		    "not an operation that this version knows");
	if (vm_buf_add_string(out, op->name, err) == -1)
		return -1;
	if (op->show != NULL) {
		text = vm_json_string(args, op->show, "");
		return vm_buf_format(out, err, "%s%s", text[0] ? " " : "",
		    text);
	}
	text = vm_json_text(args);
	if (text != NULL)
		return vm_buf_format(out, err, " %s", text);
	for (size_t i = 0; i < vm_json_count(args); i++)
		if (vm_buf_format(out, err, " %s",
			vm_json_text(vm_json_at(args, i))) == -1)
			return -1;
	return 0;
}

int
vm_op_mode(const struct vm_json *args, int otherwise)
{
	const char *mode = vm_json_string(args, "mode", NULL);

	return mode == NULL ? otherwise : (int)strtol(mode, NULL, 8);
}

int
vm_op_read_file(const struct vm_op_context *context, const struct vm_json *args,
    size_t max, struct vm_buf *out, struct vm_error *err)
{
	const char *hex = vm_json_string(args, "sha256", "");
	VM_CLEAN_FD int fd = vm_file_open(context->store, hex, err);

	return fd == -1 ? -1 : vm_fd_slurp(fd, max, out, hex, err);
}
