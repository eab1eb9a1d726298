/*
 * Theory of operation.  Scripts go to a directory of ours in the order in
 * which the operations stand; a oneshot service, wanted by multi-user.target,
 * runs those that are there and moves each away before it starts it, so that
 * each runs once even when it reboots the machine.  What they say is in
 * /var/log/vmpipe-firstboot.log.
 */
#include <stdio.h>
#include <string.h>

#include "lib/guest/ops_private.h"

#define SCRIPT_MAX ((size_t)1 << 20)
#define DIR "/usr/lib/vmpipe"
#define PENDING DIR "/firstboot.d"
#define RUNNER DIR "/firstboot"
#define UNIT "vmpipe-firstboot.service"
#define UNITS "/etc/systemd/system"

static const char runner[] =
    "#!/bin/sh\n"
    "# Made by vmpipe: runs each script of firstboot.d once, in order.\n"
    "cd " DIR " || exit\n"
    "mkdir -p firstboot.done\n"
    "for script in firstboot.d/*; do\n"
    "\t[ -f \"$script\" ] || continue\n"
    "\tname=${script##*/}\n"
    "\tmv \"$script\" firstboot.done/ && sync || exit\n"
    "\techo \"=== $name\"\n"
    "\t(cd / && exec \"" DIR "/firstboot.done/$name\")\n"
    "\techo \"=== $name: status $?\"\n"
    "done >>/var/log/vmpipe-firstboot.log 2>&1 </dev/null\n";

static const char unit[] = "[Unit]\n"
			   "Description=vmpipe: scripts of the first boot\n"
			   "After=network-online.target\n"
			   "Wants=network-online.target\n"
			   "ConditionDirectoryNotEmpty=" PENDING "\n"
			   "\n"
			   "[Service]\n"
			   "Type=oneshot\n"
			   "RemainAfterExit=yes\n"
			   "TimeoutStartSec=infinity\n"
			   "ExecStart=" RUNNER "\n"
			   "\n"
			   "[Install]\n"
			   "WantedBy=multi-user.target\n";

int
vm_op_check_script(const struct vm_buf *script, struct vm_error *err)
{
	if (script->len < 3 || memcmp(script->data, "#!", 2) != 0)
		return vm_error_set(err, VM_E_DATA, "bad_script",
		    "the script does not begin with #! and an interpreter");
	if (memchr(script->data, '\0', script->len) != NULL)
		return vm_error_set(err, VM_E_DATA, "bad_script",
		    "the script holds a NUL byte");
	if (script->data[strcspn(script->data, "\n") - 1] == '\r')
		return vm_error_set(err, VM_E_DATA, "bad_script",
		    "the script's lines end in CR LF, not in LF");
	return 0;
}

/* The service and its runner, the same for every script. */
static int
install_service(const struct vm_engine *engine, struct vm_error *err)
{
	const struct vm_tree_attr program = { 0755, 0, 0 };

	if (vm_tree_make_dirs(engine, PENDING, &vm_tree_keep, err) == -1 ||
	    vm_tree_make_dirs(engine, UNITS "/multi-user.target.wants",
		&vm_tree_keep, err) == -1)
		return -1;
	if (vm_tree_write(engine, RUNNER, runner, sizeof runner - 1, &program,
		err) == -1 ||
	    vm_tree_write(engine, UNITS "/" UNIT, unit, sizeof unit - 1,
		&vm_tree_keep, err) == -1)
		return -1;
	return vm_tree_link(engine, "../" UNIT,
	    UNITS "/multi-user.target.wants/" UNIT, err);
}

/* Numbers go on where the last script's stops, also from layer to clone. */
static int
next_number(const struct vm_engine *engine, unsigned long *number,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf names = { 0 };

	if (engine->ops->list(engine->state, PENDING, &names, err) == -1)
		return -1;
	*number = 1;
	for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1) {
		unsigned long taken = strtoul(names.data + at, NULL, 10);

		if (taken >= *number)
			*number = taken + 1;
	}
	return 0;
}

static int
add_script(const struct vm_op_context *context, const struct vm_buf *script,
    struct vm_error *err)
{
	const struct vm_tree_attr program = { 0700, 0, 0 };
	char path[sizeof PENDING + 32];
	unsigned long number;

	if (strcmp(vm_json_string(context->layout, "init", ""), "systemd") != 0)
		return vm_error_set(err, VM_E_DATA, "no_systemd",
		    "the guest (%s) has no systemd to run it",
		    vm_json_string(context->layout, "os.name", "unknown"));
	if (install_service(context->engine, err) == -1 ||
	    next_number(context->engine, &number, err) == -1)
		return -1;
	snprintf(path, sizeof path, PENDING "/%04lu", number);
	return vm_tree_write(context->engine, path, script->data, script->len,
	    &program, err);
}

int
vm_op_firstboot(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf script = { 0 };

	if (vm_op_read_file(context, args, SCRIPT_MAX, &script, err) == -1 ||
	    vm_op_check_script(&script, err) == -1)
		return -1;
	return add_script(context, &script, err);
}

int
vm_op_firstboot_command(const struct vm_op_context *context,
    const struct vm_json *args, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf script = { 0 };

	if (vm_buf_format(&script, err, "#!/bin/sh\n%s\n",
		vm_json_text(args)) == -1)
		return -1;
	return add_script(context, &script, err);
}
