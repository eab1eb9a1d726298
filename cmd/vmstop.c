/* vmstop - ends VMs: asks the guest, waits, then insists. */
#include "lib/base/cli.h"
#include "lib/host/stop.h"
#include "lib/record/output.h"
#include "lib/store/store_input.h"
#include "lib/store/vm.h"

struct opts {
	struct vm_cli_values values;
	bool force;
	uint64_t timeout_ms;
};

static const struct vm_cli_option options[] = {
	{ .letter = 'f',
	    .name = "force",
	    .help = "do not ask the guest: end QEMU at once",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, force) },
	{ .letter = 't',
	    .name = "timeout",
	    .arg = "TIME",
	    .help = "insist when the guest has not ended by then, else 60s",
	    .type = VM_CLI_DURATION,
	    .offset = offsetof(struct opts, timeout_ms) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmstop",
	.synopsis = "[NAME ...]",
	.summary = "ends VMs: asks the guest, waits, then insists",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_EMPTY_OK | VM_CLI_OUTPUT,
};

static int
run(const struct opts *o, struct vm_error *err)
{
	const struct vm_stop_options stop = { .force = o->force,
		.dry_run = o->values.dry_run,
		.timeout_ms = o->timeout_ms };
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;
	const struct vm_input input = { .operands = o->values.operands,
		.operand_count = o->values.operand_count,
		.allow_empty = o->values.allow_empty,
		.resolve = vm_vm_resolve };
	int work;

	work = vm_store_read_input(&input, o->values.root, cli.name, &store,
	    &records, err);
	if (work == -1)
		return -1;
	if (work == 1 && vm_stop_run(store, &stop, &records, err) == -1)
		return -1;
	return vm_output_finish(&vm_output_pipe, &o->values, cli.name, &records,
	    err);
}

int
main(int argc, char *argv[])
{
	struct opts opts = { .timeout_ms = VM_STOP_DEFAULT_MS };
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
