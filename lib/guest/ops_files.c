#include <stdio.h>
#include <string.h>

#include "lib/guest/ops_private.h"
#include "lib/store/file.h"

/* Attributes of a file or directory made by an operation: root's. */
static struct vm_tree_attr
attributes(const struct vm_json *args)
{
	struct vm_tree_attr attr = vm_tree_keep;

	attr.mode = vm_op_mode(args, VM_TREE_KEEP);
	return attr;
}

int
vm_op_write(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	const char *content = vm_json_string(args, "content", "");
	struct vm_tree_attr attr = attributes(args);

	return vm_tree_write(context->engine, vm_json_string(args, "path", ""),
	    content, strlen(content), &attr, err);
}

int
vm_op_append_line(const struct vm_op_context *context,
    const struct vm_json *args, struct vm_error *err)
{
	return vm_tree_append_line(context->engine,
	    vm_json_string(args, "path", ""), vm_json_string(args, "line", ""),
	    false, &vm_tree_keep, err);
}

/* "/dir" becomes "/dir/NAME" when it is a directory, as cp(1) has it. */
static char *
resolve_target(const struct vm_engine *engine, const struct vm_json *args,
    struct vm_error *err)
{
	const char *path = vm_json_string(args, "path", "");
	const char *source = vm_json_string(args, "source", "");
	const char *slash = strrchr(source, '/');
	struct vm_engine_stat st = { 0 };
	int there = vm_tree_stat(engine, path, &st, err);

	if (there == -1)
		return NULL;
	if (there == 0 || st.type != VM_ENGINE_DIR)
		return vm_buf_printf(err, "%s", path);
	return vm_buf_printf(err, "%s/%s", path,
	    slash == NULL ? source : slash + 1);
}

int
vm_op_upload(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	struct vm_tree_attr attr = attributes(args);
	VM_CLEAN_FREE char *path = resolve_target(context->engine, args, err);
	VM_CLEAN_FD int fd = path == NULL ?
	    -1 :
	    vm_file_open(context->store, vm_json_string(args, "sha256", ""),
		err);

	if (fd == -1)
		return -1;
	return vm_tree_upload(context->engine, path, fd, &attr, err);
}

int
vm_op_mkdir(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	struct vm_tree_attr attr = attributes(args);

	return vm_tree_make_dirs(context->engine,
	    vm_json_string(args, "path", ""), &attr, err);
}

/* The path may be a pattern (glob(7)); what it does not match is no error. */
int
vm_op_delete(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	const struct vm_engine *engine = context->engine;
	const char *pattern = vm_json_string(args, "path", "");
	VM_CLEAN_BUF struct vm_buf paths = { 0 };

	if (vm_tree_check_path(pattern, err) == -1)
		return -1;
	if (strpbrk(pattern, "*?[") == NULL)
		return vm_tree_remove(engine, pattern, err);
	if (engine->ops->glob(engine->state, pattern, &paths, err) == -1)
		return -1;
	for (size_t at = 0; at < paths.len; at += strlen(paths.data + at) + 1)
		if (vm_tree_remove(engine, paths.data + at, err) == -1)
			return -1;
	return 0;
}

int
vm_op_link(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	return vm_tree_link(context->engine, vm_json_string(args, "target", ""),
	    vm_json_string(args, "path", ""), err);
}

int
vm_op_chmod(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	return vm_tree_chmod(context->engine, vm_json_string(args, "path", ""),
	    (unsigned)vm_op_mode(args, 0), err);
}
