/* vmsnap - moments of a VM's disks: made, listed, gone back to, deleted. */
#include <string.h>

#include "lib/base/cli.h"
#include "lib/clone/snapshot.h"
#include "lib/record/output.h"
#include "lib/store/store_input.h"

struct opts {
	struct vm_cli_values values;
	bool list;
	bool rollback;
	bool no_start;
	bool delete;
};

static const struct vm_cli_option options[] = {
	{ .letter = 'l',
	    .name = "list",
	    .help = "list the snapshots of these VMs, else of all",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, list) },
	{ .name = "rollback",
	    .help = "put the VM's disks back to the snapshot",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, rollback) },
	{ .name = "no-start",
	    .help = "with --rollback: do not start again what was stopped",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, no_start) },
	{ .name = "delete",
	    .help = "delete the snapshot; the disks stay as they are",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, delete) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmsnap",
	.synopsis = "[NAME[@TAG] ...]",
	.summary = "keeps moments of a VM's disks, and goes back to them",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_EMPTY_OK | VM_CLI_OUTPUT |
	    VM_CLI_JSON,
};

static const struct vm_output_field fields[] = {
	{ "name", NULL, false, "NAME@TAG" },
	{ "vm", "VM", false, "name of the VM" },
	{ "tag", NULL, false, "name of the snapshot" },
	{ "created", NULL, false, "when it was made" },
	{ "size", NULL, true, "size of the VM's disks then" },
	{ "vm_state", NULL, false, "was a running machine saved with it?" },
	{ "state", NULL, false, "complete, or partial: not on all disks" },
	{ "error.code", "ERROR", false, "word for what failed" },
	{ "error.message", NULL, false, "what failed" },
	{ 0 },
};

static const struct vm_output list_output = {
	.known = fields,
	.fields = "name,created,size,vm_state",
	.table_always = true,
};

/* Names alone, without tags, mean that their snapshots are wanted. */
static bool
wants_list(const struct opts *o)
{
	size_t i;

	if (o->list || o->rollback || o->delete)
		return o->list;
	for (i = 0; i < o->values.operand_count; i++) {
		if (strchr(o->values.operands[i], '@') != NULL)
			return false;
	}
	return o->values.operand_count > 0;
}

static const struct vm_output *
get_output(const struct opts *o)
{
	return wants_list(o) ? &list_output : &vm_output_pipe;
}

static int
list(const struct opts *o, struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = vm_store_open(o->values.root,
	    false, err);

	if (store == NULL ||
	    vm_snapshot_list(store, o->values.operands, o->values.operand_count,
		&records, err) == -1)
		return -1;
	return vm_output_finish(&list_output, &o->values, cli.name, &records,
	    err);
}

static int
change(const struct opts *o, struct vm_error *err)
{
	const struct vm_input input = { .operands = o->values.operands,
		.operand_count = o->values.operand_count,
		.allow_empty = o->values.allow_empty,
		.any_name = true,
		.resolve = vm_snapshot_resolve };
	const struct vm_snapshot_options wish = {
		.action = o->rollback ? VM_SNAPSHOT_ROLLBACK :
		    o->delete	      ? VM_SNAPSHOT_DELETE :
					VM_SNAPSHOT_MAKE,
		.no_start = o->no_start,
		.dry_run = o->values.dry_run,
		.quiet = o->values.quiet,
		.verbose = (int)o->values.verbose,
	};
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;
	int work;

	work = vm_store_read_input(&input, o->values.root, cli.name, &store,
	    &records, err);
	if (work == -1 ||
	    (work == 1 && vm_snapshot_run(store, &wish, &records, err) == -1))
		return -1;
	return vm_output_finish(&vm_output_pipe, &o->values, cli.name, &records,
	    err);
}

static int
run(const struct opts *o, struct vm_error *err)
{
	if (o->list + o->rollback + o->delete > 1)
		return vm_cli_usage(&cli, err,
		    "-l, --rollback and --delete: one at a time");
	if (o->no_start && !o->rollback)
		return vm_cli_usage(&cli, err, "--no-start is for --rollback");
	return wants_list(o) ? list(o, err) : change(o, err);
}

int
main(int argc, char *argv[])
{
	struct opts opts = { 0 };
	struct vm_error err = { 0 };

	vm_cli_start(&cli);
	if (vm_cli_parse(&cli, &opts, argc, argv, &err) == -1)
		return vm_cli_fail(&err);
	if (vm_output_help(get_output(&opts), &opts.values))
		return vm_cli_finish();
	if (run(&opts, &err) == -1)
		return vm_output_fail(get_output(&opts), &opts.values, cli.name,
		    &err);
	return vm_cli_finish();
}
