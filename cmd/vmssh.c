/* vmssh - runs a command in a VM, whose host key is known in advance. */
#include "lib/base/cli.h"
#include "lib/host/login.h"

struct opts {
	struct vm_cli_values values;
	const char *key;
};

static const struct vm_cli_option options[] = {
	{ .letter = 'i',
	    .name = "identity",
	    .arg = "FILE",
	    .help = "log in by this private key, as with ssh",
	    .type = VM_CLI_STRING,
	    .offset = offsetof(struct opts, key) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmssh",
	.synopsis = "[USER@]NAME [COMMAND ...]",
	.summary = "logs in to a VM whose host key is known in advance",
	.options = options,
	.common = VM_CLI_COMMAND,
};

static int
run(const struct opts *o, struct vm_error *err)
{
	VM_CLEAN_STORE struct vm_store *store = NULL;

	if (o->values.operand_count == 0)
		return vm_cli_usage(&cli, err, "no VM is named");
	store = vm_store_open(o->values.root, false, err);
	if (store == NULL)
		return -1;
	return vm_login_exec(store, o->values.operands[0], o->key,
	    o->values.operands + 1, o->values.operand_count - 1, err);
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
