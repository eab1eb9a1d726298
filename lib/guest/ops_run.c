#include <stdio.h>
#include <string.h>

#include "lib/guest/ops_private.h"

#define SCRIPT_MAX ((size_t)1 << 20)
#define SCRIPT "/tmp/vmpipe-run"
#define POLICY "/usr/sbin/policy-rc.d"

/* As virt-customize: the guest's own programs, nobody to ask. */
#define ENVIRONMENT                                                            \
	"export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"       \
	"/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "       \
	"APT_LISTCHANGES_FRONTEND=none; cd /\n"

static const struct {
	const char *manager, *command;
} installers[] = {
	{ "apt",
	    "apt-get -q -y update && apt-get -q -y "
	    "-o Dpkg::Options::=--force-confnew install" },
	{ "dnf", "dnf -y install" },
	{ "yum", "yum -y install" },
	{ "zypper", "zypper -n in -l" },
	{ "pacman", "pacman -Sy --noconfirm" },
	{ "apk", "apk update && apk add" },
};

/*
 * Run a shell text in the guest.  What it says goes to a file there, because
 * an answer has a limit; the last of it is in the error's message.
 */
static int
run_shell(const struct vm_engine *engine, const char *text,
    struct vm_error *err)
{
	static const char wrapper[] =
	    "log=$(mktemp /tmp/vmpipe.XXXXXX) || exit 1\n"
	    "( eval \"$1\" ) >\"$log\" 2>&1 </dev/null\n"
	    "status=$?\n"
	    "[ $status = 0 ] || { tail -n 3 \"$log\" | tr '\\n' ' ' >&2;"
	    " echo \"status $status\" >&2; }\n"
	    "rm -f \"$log\"\n"
	    "exit $status\n";
	VM_CLEAN_BUF struct vm_buf script = { 0 };
	const char *argv[] = { "/bin/sh", "-c", NULL, "sh", text, NULL };

	if (vm_buf_format(&script, err, ENVIRONMENT "%s", wrapper) == -1)
		return -1;
	argv[2] = script.data;
	return engine->ops->run(engine->state, argv, err);
}

int
vm_op_run_command(const struct vm_op_context *context,
    const struct vm_json *args, struct vm_error *err)
{
	return run_shell(context->engine, vm_json_text(args), err);
}

int
vm_op_run(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	const struct vm_engine *engine = context->engine;
	const struct vm_tree_attr attr = { 0700, 0, 0 };
	VM_CLEAN_BUF struct vm_buf script = { 0 };
	int result;

	if (vm_op_read_file(context, args, SCRIPT_MAX, &script, err) == -1 ||
	    vm_op_check_script(&script, err) == -1)
		return -1;
	if (vm_tree_write(engine, SCRIPT, script.data, script.len, &attr,
		err) == -1)
		return -1;
	result = run_shell(engine, SCRIPT, err);
	if (engine->ops->remove(engine->state, SCRIPT,
		result == 0 ? err : NULL) == -1)
		return -1;
	return result;
}

/* No daemon starts in the appliance because its package was installed. */
static int
hold_daemons(const struct vm_engine *engine, bool *held, struct vm_error *err)
{
	static const char refuse[] = "#!/bin/sh\nexit 101\n";
	const struct vm_tree_attr attr = { 0755, 0, 0 };
	struct vm_engine_stat st;
	int there = vm_tree_stat(engine, POLICY, &st, err);

	if (there == -1)
		return -1;
	*held = there == 0;
	if (there == 1)
		return 0;
	return vm_tree_write(engine, POLICY, refuse, sizeof refuse - 1, &attr,
	    err);
}

/* The shell line: names in quotes, though the schema lets none need them. */
static int
format_install(const char *installer, const struct vm_json *packages,
    struct vm_buf *out, struct vm_error *err)
{
	if (vm_buf_add_string(out, installer, err) == -1)
		return -1;
	for (size_t i = 0; i < vm_json_count(packages); i++) {
		const char *name = vm_json_text(vm_json_at(packages, i));

		if (name == NULL || name[0] == '-' || name[0] == '\0' ||
		    strpbrk(name, "'\n") != NULL)
			return vm_error_set(err, VM_E_DATA, "bad_package",
			    "\"%.80s\": not a package's name",
			    name == NULL ? "" : name);
		if (vm_buf_format(out, err, " '%s'", name) == -1)
			return -1;
	}
	return 0;
}

int
vm_op_install(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	const struct vm_engine *engine = context->engine;
	const char *manager = vm_json_string(context->layout, "packages",
	    "none");
	const char *installer = NULL;
	VM_CLEAN_BUF struct vm_buf command = { 0 };
	bool held = false;
	int result;

	for (size_t i = 0; i < sizeof installers / sizeof installers[0]; i++)
		if (strcmp(installers[i].manager, manager) == 0)
			installer = installers[i].command;
	if (installer == NULL)
		return vm_error_set(err, VM_E_DATA, "no_package_manager",
		    "no package manager known to us in the guest (%s)",
		    vm_json_string(context->layout, "os.name", "unknown"));
	if (format_install(installer, args, &command, err) == -1)
		return -1;
	if (strcmp(manager, "apt") == 0 &&
	    hold_daemons(engine, &held, err) == -1)
		return -1;
	result = run_shell(engine, command.data, err);
	if (held &&
	    engine->ops->remove(engine->state, POLICY,
		result == 0 ? err : NULL) == -1)
		return -1;
	return result;
}
