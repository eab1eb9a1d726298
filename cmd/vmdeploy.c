/* vmdeploy - starts VMs from their local clones and waits until they serve. */
#include <unistd.h>

#include "lib/base/cli.h"
#include "lib/base/fd.h"
#include "lib/host/deploy.h"
#include "lib/record/output.h"
#include "lib/store/store_input.h"
#include "lib/store/vm.h"

struct opts {
	struct vm_cli_values values;
	bool no_wait;
	uint64_t timeout_ms;
};

static const struct vm_cli_option options[] = {
	{ .name = "no-wait",
	    .help = "do not wait until they are ready: running is enough",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, no_wait) },
	{ .letter = 't',
	    .name = "timeout",
	    .arg = "TIME",
	    .help = "wait so long for ready, whatever the roles say",
	    .type = VM_CLI_DURATION,
	    .offset = offsetof(struct opts, timeout_ms) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmdeploy",
	.synopsis = "[NAME ...]",
	.summary = "starts VMs from their local clones and waits until they "
		   "serve",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_EMPTY_OK | VM_CLI_OUTPUT,
};

/* -n: the commands instead of records. */
static int
print_commands(struct vm_store *store, struct vm_records *records,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf out = { 0 };

	if (vm_deploy_format(store, records, &out, err) == -1 ||
	    vm_fd_write(STDOUT_FILENO, out.data, out.len, "standard output",
		err) == -1)
		return -1;
	vm_output_report(cli.name, records);
	return 0;
}

static int
run(const struct opts *o, struct vm_error *err)
{
	const struct vm_deploy_options deploy = { .no_wait = o->no_wait,
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
	if (work == 1 && o->values.dry_run)
		return print_commands(store, &records, err);
	if (work == 1 && vm_deploy_run(store, &deploy, &records, err) == -1)
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
