#include <string.h>

#include "lib/guest/ops_private.h"
#include "lib/guest/system.h"

#define ZONES "/usr/share/zoneinfo"

int
vm_op_hostname(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	return vm_system_set_hostname(context->engine, vm_json_text(args), err);
}

int
vm_op_timezone(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	const struct vm_engine *engine = context->engine;
	const char *zone = vm_json_text(args);
	struct vm_engine_stat st;
	VM_CLEAN_BUF struct vm_buf path = { 0 };
	int there;

	if (vm_buf_format(&path, err, ZONES "/%s", zone) == -1 ||
	    vm_tree_check_path(path.data, err) == -1)
		return -1;
	there = vm_tree_has(engine, path.data, err);
	if (there == 0)
		return vm_error_set(err, VM_E_DATA, "no_timezone",
		    "%s: not a time zone in the guest (package tzdata)", zone);
	if (there == -1 ||
	    vm_tree_link(engine, path.data, "/etc/localtime", err) == -1)
		return -1;
	/* Debian's own record of the name, where it is kept */
	there = vm_tree_stat(engine, "/etc/timezone", &st, err);
	if (there != 1)
		return there;
	vm_buf_reset(&path);
	if (vm_buf_format(&path, err, "%s\n", zone) == -1)
		return -1;
	return vm_tree_write(engine, "/etc/timezone", path.data, path.len,
	    &vm_tree_keep, err);
}
