/* vmclone - instant copy-on-write clones, and their identity. */
#include "lib/base/cli.h"
#include "lib/clone/clone.h"
#include "lib/record/input.h"
#include "lib/record/output.h"

struct opts {
	struct vm_cli_values values;
	const char *from;
	const char *name;
	const char *indices;
	const char *uuid;
	uint64_t count;
	struct vm_cli_list sets;
	const char *size;
	const char *mode;
	bool copy_ok;
	uint64_t cluster_size;
	bool lazy_refcounts;
	bool extended_l2;
	bool ephemeral;
	struct vm_cli_list host_keys;
	bool no_sync;
	bool no_host_keys;
};

static const struct vm_cli_option options[] = {
	{ .letter = 'c',
	    .name = "count",
	    .arg = "COUNT",
	    .help = "have this many VMs (default: the role's replicas)",
	    .type = VM_CLI_NUMBER,
	    .offset = offsetof(struct opts, count),
	    .min = 1,
	    .max = 100000 },
	{ .name = "from",
	    .arg = "ALIAS|VM",
	    .help = "clone this image, or copy this VM; do not read stdin",
	    .type = VM_CLI_STRING,
	    .offset = offsetof(struct opts, from) },
	{ .name = "host-key",
	    .arg = "TYPE",
	    .help =
		"make a host key: ed25519 (default), ecdsa, rsa; repeatable",
	    .type = VM_CLI_LIST,
	    .offset = offsetof(struct opts, host_keys) },
	{ .name = "index",
	    .arg = "SET",
	    .help = "have exactly the VMs of these indices, like 3-7,9",
	    .type = VM_CLI_STRING,
	    .offset = offsetof(struct opts, indices) },
	{ .name = "name",
	    .arg = "PATTERN",
	    .help = "name the VMs so, like 'web-{{index}}'",
	    .type = VM_CLI_STRING,
	    .offset = offsetof(struct opts, name) },
	{ .name = "set",
	    .arg = "KEY=VALUE",
	    .help = "set a key of the role, like memory=1G (repeatable)",
	    .type = VM_CLI_LIST,
	    .offset = offsetof(struct opts, sets) },
	{ .name = "size",
	    .arg = "SIZE",
	    .help = "grow the disk to this, as --set disk=SIZE does",
	    .type = VM_CLI_STRING,
	    .offset = offsetof(struct opts, size) },
	{ .name = "mode",
	    .arg = "MODE",
	    .help = "overlay (default), reflink, copy or auto",
	    .type = VM_CLI_STRING,
	    .offset = offsetof(struct opts, mode) },
	{ .name = "copy-ok",
	    .help = "copy in full where --mode reflink cannot be done",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, copy_ok) },
	{ .name = "cluster-size",
	    .arg = "SIZE",
	    .help = "an overlay's clusters, 512 to 2M (default 64K)",
	    .type = VM_CLI_SIZE,
	    .offset = offsetof(struct opts, cluster_size) },
	{ .name = "lazy-refcounts",
	    .help = "an overlay that writes its reference counts late",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, lazy_refcounts) },
	{ .name = "extended-l2",
	    .help = "an overlay that allocates 32nds of its clusters",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, extended_l2) },
	{ .name = "ephemeral",
	    .help = "remove the VMs when they stop",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, ephemeral) },
	{ .name = "no-host-keys",
	    .help = "make no SSH host keys: the guest shall make its own",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, no_host_keys) },
	{ .name = "no-sync",
	    .help = "do not wait until the clones are on the disk",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, no_sync) },
	{ .name = "uuid",
	    .arg = "UUID",
	    .help = "give the one VM this UUID",
	    .type = VM_CLI_STRING,
	    .offset = offsetof(struct opts, uuid) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmclone",
	.synopsis = "[NAME ...]",
	.summary = "makes instant copy-on-write clones and gives each its "
		   "identity",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_JOBS | VM_CLI_EMPTY_OK |
	    VM_CLI_OUTPUT,
};

/* A name alone does not say what it shall be a clone of. */
static int
explain(const struct opts *o, struct vm_error *err)
{
	bool is_usage = err->kind == VM_E_USAGE;

	if ((!is_usage && err->kind != VM_E_NO_INPUT) ||
	    o->values.operand_count == 0)
		return -1;
	vm_error_set(err, err->kind, is_usage ? "usage" : "no_input",
	    "%s: no image to clone: no records on standard input",
	    o->values.operands[0]);
	return vm_error_hint(err, "vmclone --from ALIAS %s",
	    o->values.operands[0]);
}

/* Names are operands; what is read says what to clone. */
static struct vm_json *
refuse_name(void *context, const char *name, struct vm_error *err)
{
	(void)context;
	vm_error_set(err, VM_E_DATA, "bad_record",
	    "a name, where an image's record is needed");
	vm_error_hint(err, "vmclone --from ALIAS %s", name);
	return NULL;
}

static int
run(const struct opts *o, struct vm_error *err)
{
	const struct vm_clone_options clone = {
		.from = o->from,
		.names = o->values.operands,
		.name_count = o->values.operand_count,
		.pattern = o->name,
		.count = o->count,
		.indices = o->indices,
		.uuid = o->uuid,
		.host_keys = o->host_keys.items,
		.host_key_count = o->host_keys.count,
		.sets = o->sets.items,
		.set_count = o->sets.count,
		.size = o->size,
		.mode = o->mode,
		.copy_ok = o->copy_ok,
		.cluster_size = o->cluster_size,
		.lazy_refcounts = o->lazy_refcounts,
		.extended_l2 = o->extended_l2,
		.ephemeral = o->ephemeral,
		.jobs = (unsigned)o->values.jobs,
		.no_sync = o->no_sync,
		.no_host_keys = o->no_host_keys,
		.dry_run = o->values.dry_run,
	};
	const struct vm_input input = { .allow_empty = o->values.allow_empty,
		.resolve = refuse_name };
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;

	if (o->count > 0 && o->values.operand_count > 0)
		return vm_cli_usage(&cli, err,
		    "names say how many VMs there shall be: no -c with them");
	if (o->name != NULL && o->values.operand_count > 0)
		return vm_cli_usage(&cli, err,
		    "the operands are the names: no --name with them");
	if (vm_clone_check(&clone, err) == -1)
		return -1;
	if (o->from == NULL &&
	    vm_input_read(&input, cli.name, &records, err) == -1)
		return explain(o, err);
	store = vm_store_open(o->values.root, !o->values.dry_run, err);
	if (store == NULL || vm_clone_run(store, &clone, &records, err) == -1)
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
