/* vmgc - frees space: takes away what nothing reaches. */
#include "lib/base/cli.h"
#include "lib/record/output.h"
#include "lib/reclaim/prune.h"

#define UNSET UINT64_MAX

struct opts {
	struct vm_cli_values values;
	uint64_t keep_ms, max_space;
	bool trash, old;
};

static const struct vm_cli_option options[] = {
	{ .name = "keep",
	    .arg = "TIME",
	    .help = "remove what is unused for so long (default 30d)",
	    .type = VM_CLI_DURATION,
	    .offset = offsetof(struct opts, keep_ms) },
	{ .name = "max-space",
	    .arg = "SIZE",
	    .help = "then images by last use, until the store is so small",
	    .type = VM_CLI_SIZE,
	    .offset = offsetof(struct opts, max_space) },
	{ .name = "trash",
	    .help = "empty the trash now, not after 7 days",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, trash) },
	{ .name = "old",
	    .help = "remove disks that upgrades replaced (before --keep)",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, old) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmgc",
	.synopsis = "",
	.summary = "frees space: removes what nothing reaches",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_OUTPUT,
};

static const struct vm_output_field fields[] = {
	{ "kind", NULL, false,
	    "vm, image, layer, file, old, part, litter, trash, quarantine" },
	{ "name", NULL, false, "its name; of an image ALIAS@GENERATION" },
	{ "bytes", NULL, true, "what removing it frees" },
	{ "reason", NULL, false, "why it goes" },
	{ "state", NULL, false, "removed; kept: it was used meanwhile" },
	{ "planned", NULL, false, "remove, with -n" },
	{ "image.id", "IMAGE-ID", false, "SHA-256 of the published image" },
	{ "error.message", NULL, false, "why it could not be removed" },
	{ 0 },
};

static const struct vm_output output = {
	.known = fields,
	.fields = "kind,name,bytes,reason",
};

static int
run(const struct opts *o, struct vm_error *err)
{
	struct vm_prune_options prune = {
		.keep_ms = o->keep_ms == UNSET ? VM_PRUNE_KEEP_MS : o->keep_ms,
		.keep_current = o->keep_ms == UNSET,
		.has_max_space = o->max_space != UNSET,
		.max_space = o->max_space,
		.trash = o->trash,
		.old = o->old,
		.old_ms = o->keep_ms == UNSET ? 0 : o->keep_ms,
		.dry_run = o->values.dry_run,
	};
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;

	if (o->values.operand_count > 0)
		return vm_cli_usage(&cli, err, "%s: takes no operands",
		    o->values.operands[0]);
	store = vm_store_open(o->values.root, false, err);
	if (store == NULL || vm_use_read_time(&prune.now, err) == -1 ||
	    vm_prune_run(store, &prune, &records, err) == -1)
		return -1;
	return vm_output_finish(&output, &o->values, cli.name, &records, err);
}

int
main(int argc, char *argv[])
{
	struct opts opts = { .keep_ms = UNSET, .max_space = UNSET };
	struct vm_error err = { 0 };

	vm_cli_start(&cli);
	if (vm_cli_parse(&cli, &opts, argc, argv, &err) == -1)
		return vm_cli_fail(&err);
	if (vm_output_help(&output, &opts.values))
		return vm_cli_finish();
	if (run(&opts, &err) == -1)
		return vm_cli_fail(&err);
	return vm_cli_finish();
}
