/* vmupgrade - makes VMs anew on the newest generation of their image. */
#include "lib/base/cli.h"
#include "lib/clone/upgrade.h"
#include "lib/record/output.h"
#include "lib/store/store_input.h"
#include "lib/store/vm.h"

struct opts {
	struct vm_cli_values values;
	const char *to;
	bool force, no_start, rollback;
	uint64_t timeout_ms;
};

static const struct vm_cli_option options[] = {
	{ .letter = 'f',
	    .name = "force",
	    .help = "also where nothing differs: a disk made anew",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, force) },
	{ .name = "no-start",
	    .help = "do not start again what ran",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, no_start) },
	{ .name = "rollback",
	    .help = "exchange it with the disk that was replaced last",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, rollback) },
	{ .letter = 't',
	    .name = "timeout",
	    .arg = "TIME",
	    .help = "wait so long for ready, whatever the roles say",
	    .type = VM_CLI_DURATION,
	    .offset = offsetof(struct opts, timeout_ms) },
	{ .name = "to",
	    .arg = "WHAT",
	    .help = "to this ALIAS[@N]; with --rollback, to this old disk",
	    .type = VM_CLI_STRING,
	    .offset = offsetof(struct opts, to) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmupgrade",
	.synopsis = "[NAME ...]",
	.summary = "makes VMs anew on the newest generation of their image",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_EMPTY_OK | VM_CLI_OUTPUT,
};

static int
run(const struct opts *o, struct vm_error *err)
{
	const struct vm_upgrade_options upgrade = {
		.to = o->to,
		.force = o->force,
		.rollback = o->rollback,
		.no_start = o->no_start,
		.dry_run = o->values.dry_run,
		.timeout_ms = o->timeout_ms,
		.quiet = o->values.quiet,
		.verbose = o->values.verbose,
	};
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;
	const struct vm_input input = {
		.operands = o->values.operands,
		.operand_count = o->values.operand_count,
		.allow_empty = o->values.allow_empty,
		.resolve = vm_vm_resolve,
	};
	int work;

	if (o->rollback && o->force)
		return vm_cli_usage(&cli, err, "--force is not for --rollback");
	work = vm_store_read_input(&input, o->values.root, cli.name, &store,
	    &records, err);
	if (work == -1 ||
	    (work == 1 && vm_upgrade_run(store, &upgrade, &records, err) == -1))
		return -1;
	return vm_output_finish(&vm_output_pipe, &o->values, cli.name, &records,
	    err);
}

int
main(int argc, char *argv[])
{
	struct opts opts = { 0 };
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
