/* vmexport - writes a VM's disk as an image that depends on nothing. */
#include <string.h>
#include <unistd.h>

#include "lib/base/cli.h"
#include "lib/base/progress.h"
#include "lib/guest/export.h"
#include "lib/record/output.h"
#include "lib/store/store_input.h"
#include "lib/store/vm.h"

#define DEFAULT_TIMEOUT_MS ((uint64_t)20 * 60 * 1000)

struct opts {
	struct vm_cli_values values;
	const char *format, *disk;
	bool compress, keep_identity, force;
	uint64_t timeout_ms;
};

#define AT(field) offsetof(struct opts, field)

static const struct vm_cli_option options[] = {
	{ 'O', "format", "FORMAT",
	    "qcow2, raw or vmdk (default: by FILE's end)", VM_CLI_STRING,
	    AT(format), 0, 0, NULL },
	{ 'c', "compress", NULL, "compress it", VM_CLI_FLAG, AT(compress), 0, 0,
	    NULL },
	{ 'f', "force", NULL, "replace FILE when it is there", VM_CLI_FLAG,
	    AT(force), 0, 0, NULL },
	{ 0, "keep-identity", NULL, "remove nothing from the guest",
	    VM_CLI_FLAG, AT(keep_identity), 0, 0, NULL },
	{ 0, "disk", "NAME", "this further disk or volume, as it is",
	    VM_CLI_STRING, AT(disk), 0, 0, NULL },
	{ 0, "timeout", "DURATION",
	    "give up the guest after this long (default: 20m; 0: never)",
	    VM_CLI_DURATION, AT(timeout_ms), 0, 0, NULL },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmexport",
	.synopsis = "[NAME] FILE|-",
	.summary = "writes a VM's disk as an image that depends on nothing",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_OUTPUT,
};

/* FILE is the last operand. */
static const char *
get_file(const struct opts *o)
{
	return o->values.operands[o->values.operand_count - 1];
}

static bool
is_stream(const struct opts *o)
{
	return o->values.operand_count > 0 && strcmp(get_file(o), "-") == 0;
}

static int
check(const struct opts *o, struct vm_error *err)
{
	const char *format = o->format == NULL ? "qcow2" : o->format;

	if (o->values.operand_count == 0 || o->values.operand_count > 2 ||
	    get_file(o)[0] == '\0')
		return vm_cli_usage(&cli, err,
		    "one VM and the FILE to write are needed");
	if (strcmp(format, "qcow2") != 0 && strcmp(format, "raw") != 0 &&
	    strcmp(format, "vmdk") != 0)
		return vm_cli_usage(&cli, err, "-O: qcow2, raw or vmdk");
	if (is_stream(o) && !o->values.dry_run && isatty(STDOUT_FILENO))
		return vm_cli_usage(&cli, err,
		    "an image is not written to a terminal");
	return 0;
}

/* The one VM, exported; its failure is in its record. */
static int
work(const struct opts *o, struct vm_store *store, struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_export_options export = {
		.file = is_stream(o) ? NULL : get_file(o),
		.out_fd = STDOUT_FILENO,
		.format = o->format,
		.disk = o->disk,
		.compress = o->compress,
		.keep_identity = o->keep_identity,
		.replace = o->force,
		.dry_run = o->values.dry_run,
		.timeout_ms = o->timeout_ms,
	};
	struct vm_error why = { 0 };

	if (o->compress && strcmp(vm_export_format(&export), "raw") == 0)
		return vm_cli_usage(&cli, err, "raw is never compressed");
	if (vm_export_run(store, &export, record, &why) == 0)
		return 0;
	return vm_record_fail(record, cli.name, &why, err);
}

static int
run(const struct opts *o, const struct vm_output *output, struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;
	const struct vm_input input = {
		.operands = o->values.operands,
		.operand_count = o->values.operand_count - 1,
		.resolve = vm_vm_resolve,
	};
	int has_work;

	has_work = vm_store_read_input(&input, o->values.root, cli.name, &store,
	    &records, err);
	if (has_work == -1 && strcmp(err->code, "no_input") == 0)
		return vm_error_hint(err, "vmexport NAME %s", get_file(o));
	if (has_work == -1)
		return -1;
	if (records.count > 1)
		return vm_cli_usage(&cli, err,
		    "one VM at a time, not %zu records", records.count);
	if (has_work == 1 && work(o, store, records.items[0], err) == -1)
		return -1;
	if (!is_stream(o))
		return vm_output_finish(output, &o->values, cli.name, &records,
		    err);
	vm_output_report(cli.name, &records);
	return 0;
}

/* As of the pipe, and what was written where. */
static struct vm_output
make_output(void)
{
	struct vm_output output = vm_output_pipe;

	output.fields = "name,state,exported.path,exported.format,"
			"exported.size,exported.sha256";
	return output;
}

int
main(int argc, char *argv[])
{
	struct opts opts = { .timeout_ms = DEFAULT_TIMEOUT_MS };
	const struct vm_output output = make_output();
	struct vm_error err = { 0 };

	vm_cli_start(&cli);
	if (vm_cli_parse(&cli, &opts, argc, argv, &err) == -1)
		return vm_cli_fail(&err);
	if (vm_output_help(&output, &opts.values))
		return vm_cli_finish();
	if (check(&opts, &err) == -1)
		return vm_cli_fail(&err);
	vm_progress_setup(!opts.values.quiet && isatty(STDERR_FILENO));
	if (run(&opts, &output, &err) == 0)
		return vm_cli_finish();
	return is_stream(&opts) ?
	    vm_cli_fail(&err) :
	    vm_output_fail(&output, &opts.values, cli.name, &err);
}
