/* vmconsole - the serial console of a VM, and its log. */
#include "lib/base/cli.h"
#include "lib/host/console.h"

struct opts {
	struct vm_cli_values values;
	bool log, follow;
};

static const struct vm_cli_option options[] = {
	{ .letter = 'l',
	    .name = "log",
	    .help = "print what the console has said instead of attaching",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, log) },
	{ .letter = 'f',
	    .name = "follow",
	    .help = "with --log: go on until the VM ends",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, follow) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmconsole",
	.synopsis = "NAME",
	.summary = "attaches to the serial console of a VM, or prints its log",
	.options = options,
};

static int
run(const struct opts *o, struct vm_error *err)
{
	VM_CLEAN_STORE struct vm_store *store = NULL;
	const char *name;

	if (o->values.operand_count != 1)
		return vm_cli_usage(&cli, err, "it takes the name of one VM");
	if (o->follow && !o->log)
		return vm_cli_usage(&cli, err, "-f goes with --log");
	name = o->values.operands[0];
	store = vm_store_open(o->values.root, false, err);
	if (store == NULL)
		return -1;
	return o->log ? vm_console_print_log(store, name, o->follow, err) :
			vm_console_attach(store, name, err);
}

int
main(int argc, char *argv[])
{
	struct opts opts = { 0 };
	struct vm_error err = { 0 };

	vm_cli_start(&cli);
	if (vm_cli_parse(&cli, &opts, argc, argv, &err) == -1 ||
	    run(&opts, &err) == -1)
		return vm_cli_fail(&err);
	return vm_cli_finish();
}
