/* vmcustomize - changes guests' files offline, from the manifest or by hand. */
#include "lib/base/cli.h"
#include "lib/guest/args.h"
#include "lib/guest/guest.h"
#include "lib/record/output.h"
#include "lib/store/old.h"
#include "lib/store/store_input.h"
#include "lib/store/vm.h"

#define DEFAULT_TIMEOUT_MS ((uint64_t)20 * 60 * 1000)

struct opts {
	struct vm_cli_values values;
	struct vm_json *operations; /* by hand, in order */
	uint64_t timeout_ms;
	bool next;
};

static void
release(struct opts *o)
{
	vm_json_free(o->operations);
}

static int
add_operation(const struct vm_cli_option *option, const char *value, void *opts,
    struct vm_error *err)
{
	struct opts *o = opts;

	if (o->operations == NULL &&
	    (o->operations = vm_json_new_array()) == NULL)
		return vm_error_nomem(err);
	return vm_args_add(o->operations, option->name, value, err);
}

#define OPERATION(option, value, text)                                         \
	{                                                                      \
		.name = (option), .arg = (value), .help = (text),              \
		.type = VM_CLI_CALL, .call = add_operation                     \
	}

static const struct vm_cli_option options[] = {
	OPERATION("append-line", "FILE:LINE", "add a line to a file"),
	OPERATION("chmod", "MODE:FILE", "set a file's mode"),
	OPERATION("delete", "PATH",
	    "remove a file, or a directory with all in it (glob)"),
	OPERATION("firstboot", "SCRIPT",
	    "run a script of this host at the first boot"),
	OPERATION("firstboot-command", "COMMAND",
	    "run a shell command at the first boot"),
	OPERATION("hostname", "NAME", "set the host name"),
	OPERATION("install", "PACKAGE,...",
	    "install packages of the guest's system, with a network"),
	OPERATION("link", "TARGET:LINK", "make a symbolic link"),
	OPERATION("mkdir", "DIR", "make a directory, and those above it"),
	OPERATION("root-password", "SELECTOR",
	    "set root's password: file:FILE, password:TEXT, random, disabled"),
	OPERATION("run", "SCRIPT", "run a script of this host in the guest"),
	OPERATION("run-command", "COMMAND", "run a shell command in the guest"),
	OPERATION("ssh-inject", "USER[:SELECTOR]",
	    "let a public key log in: yours, file:FILE or string:KEY"),
	OPERATION("timezone", "ZONE", "set the time zone"),
	OPERATION("upload", "FILE:DEST", "copy a file of this host"),
	OPERATION("write", "FILE:CONTENT", "write a file"),
	{ .name = "next",
	    .help = "change what vmupgrade is to put in the VMs' places",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, next) },
	{ .name = "timeout",
	    .arg = "DURATION",
	    .help = "give up a guest after this long (default: 20m; 0: never)",
	    .type = VM_CLI_DURATION,
	    .offset = offsetof(struct opts, timeout_ms) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmcustomize",
	.synopsis = "[NAME ...]",
	.summary = "changes guests' files offline, from the manifest or by "
		   "hand",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_JOBS | VM_CLI_EMPTY_OK |
	    VM_CLI_OUTPUT,
};

static int
run(const struct opts *o, struct vm_error *err)
{
	const struct vm_guest_options guest = {
		.hand = o->operations,
		.appliances = (size_t)o->values.jobs,
		.timeout_ms = o->timeout_ms,
		.dry_run = o->values.dry_run,
		.next = o->next,
	};
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;
	const struct vm_input input = {
		.operands = o->values.operands,
		.operand_count = o->values.operand_count,
		.allow_empty = o->values.allow_empty,
		.resolve = o->next ? vm_old_resolve_next : vm_vm_resolve,
	};
	int work;

	work = vm_store_read_input(&input, o->values.root, cli.name, &store,
	    &records, err);
	if (work == -1)
		return -1;
	if (work == 1 && o->operations != NULL &&
	    vm_args_import(store, o->operations, guest.dry_run, err) == -1)
		return -1;
	if (work == 1 && vm_guest_run(store, &guest, &records, err) == -1)
		return -1;
	return vm_output_finish(&vm_output_pipe, &o->values, cli.name, &records,
	    err);
}

int
main(int argc, char *argv[])
{
	VM_CLEAN(release)
	struct opts opts = { .timeout_ms = DEFAULT_TIMEOUT_MS };
	struct vm_error err = { 0 };

	vm_cli_start(&cli);
	if (vm_cli_parse(&cli, &opts, argc, argv, &err) == -1)
		return vm_cli_fail(&err);
	if (vm_output_help(&vm_output_pipe, &opts.values))
		return vm_cli_finish();
	if (run(&opts, &err) == -1)
		return vm_output_fail(&vm_output_pipe, &opts.values, cli.name,
		    &err);
	return vm_cli_finish();
}
