/* vmrm - takes VMs away to the trash, and brings them back. */
#include "lib/base/cli.h"
#include "lib/record/output.h"
#include "lib/reclaim/removal.h"
#include "lib/store/store_input.h"

struct opts {
	struct vm_cli_values values;
	bool force;
	bool undo;
	bool volumes;
};

static const struct vm_cli_option options[] = {
	{ .letter = 'f',
	    .name = "force",
	    .help = "stop a VM that runs, then remove it",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, force) },
	{ .name = "undo",
	    .help = "bring back the newest of this name from the trash",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, undo) },
	{ .name = "volumes",
	    .help = "remove their volumes as well, also of VMs that are gone",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, volumes) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmrm",
	.synopsis = "[NAME ...]",
	.summary = "takes VMs away to the trash, and brings them back",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_EMPTY_OK | VM_CLI_OUTPUT,
};

static int
run(const struct opts *o, struct vm_error *err)
{
	const struct vm_removal_options removal = {
		.force = o->force,
		.undo = o->undo,
		.volumes = o->volumes,
		.dry_run = o->values.dry_run,
	};
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;
	const struct vm_input input = {
		.operands = o->values.operands,
		.operand_count = o->values.operand_count,
		.allow_empty = o->values.allow_empty,
		.resolve = o->undo ? vm_removal_resolve_gone :
		    o->volumes	   ? vm_removal_resolve_volumes :
				     vm_removal_resolve,
	};
	int work;

	if (o->undo && o->force)
		return vm_cli_usage(&cli, err, "-f is not for --undo");
	if (o->undo && o->volumes)
		return vm_cli_usage(&cli, err,
		    "--undo brings volumes back that went with a VM: no "
		    "--volumes with it");
	work = vm_store_read_input(&input, o->values.root, cli.name, &store,
	    &records, err);
	if (work == -1 ||
	    (work == 1 && vm_removal_run(store, &removal, &records, err) == -1))
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
