/* vmgc - frees space: takes away what nothing reaches, never a VM. */
#include "lib/base/cli.h"
#include "lib/base/size.h"
#include "lib/record/output.h"
#include "lib/store/prune.h"

struct opts {
	struct vm_cli_values values;
	struct vm_prune_options prune;
};

static int
set_keep(const struct vm_cli_option *option, const char *value, void *opts,
    struct vm_error *err)
{
	struct opts *o = opts;

	(void)option;
	o->prune.keep_current = false;
	return vm_size_parse_duration(value, &o->prune.keep_ms, err);
}

static int
set_max_space(const struct vm_cli_option *option, const char *value, void *opts,
    struct vm_error *err)
{
	struct opts *o = opts;

	(void)option;
	o->prune.has_max_space = true;
	return vm_size_parse(value, &o->prune.max_space, err);
}

static const struct vm_cli_option options[] = {
	{ .name = "keep",
	    .arg = "TIME",
	    .help = "remove what is unused for so long (default 30d)",
	    .type = VM_CLI_CALL,
	    .call = set_keep },
	{ .name = "max-space",
	    .arg = "SIZE",
	    .help = "then images by last use, until the store is so small",
	    .type = VM_CLI_CALL,
	    .call = set_max_space },
	{ .name = "trash",
	    .help = "empty the trash now, not after 7 days",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, prune.trash) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmgc",
	.synopsis = "",
	.summary = "frees space: removes what nothing reaches, never a VM",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_OUTPUT,
};

static const struct vm_output_field fields[] = {
	{ "kind", NULL, false,
	    "image, layer, file, part, litter, trash, quarantine" },
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
run(struct opts *o, struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;

	if (o->values.operand_count > 0)
		return vm_cli_usage(&cli, err, "%s: takes no operands",
		    o->values.operands[0]);
	o->prune.dry_run = o->values.dry_run;
	store = vm_store_open(o->values.root, false, err);
	if (store == NULL || vm_use_read_time(&o->prune.now, err) == -1 ||
	    vm_prune_run(store, &o->prune, &records, err) == -1)
		return -1;
	return vm_output_finish(&output, &o->values, cli.name, &records, err);
}

int
main(int argc, char *argv[])
{
	struct opts opts = { .prune.keep_ms = VM_PRUNE_KEEP_MS,
		.prune.keep_current = true };
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
