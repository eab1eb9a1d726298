/* vmdoctor - what is wrong here, and the one command that mends it. */
#include "lib/base/cli.h"
#include "lib/base/log.h"
#include "lib/host/doctor.h"
#include "lib/record/output.h"

struct opts {
	struct vm_cli_values values;
	bool images;
	bool repair;
};

static const struct vm_cli_option options[] = {
	{ .name = "images",
	    .help =
		"read master images (all, or these) again, mend damaged ones",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, images) },
	{ .name = "repair",
	    .help = "give these VMs back the images that they stand on",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, repair) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmdoctor",
	.synopsis = "[NAME ...]",
	.summary = "says what this host, or a VM, lacks and what mends it",
	.options = options,
	.common = VM_CLI_OUTPUT | VM_CLI_JSON,
};

static const struct vm_output_field fields[] = {
	{ "subject", NULL, false, "host, a VM's name or an image's id" },
	{ "check", NULL, false, "what was looked at" },
	{ "for", NULL, false, "the commands that need it" },
	{ "result", NULL, false, "ok, note (works, not at its best), lacking" },
	{ "message", NULL, false, "what was found" },
	{ "fix", NULL, false, "the command that mends it" },
	{ 0 },
};

static const struct vm_output output = {
	.known = fields,
	.fields = "subject,check,for,result,message,fix",
	.table_always = true,
};

/* A host without a store is a healthy one; with one VM asked for it is not. */
static int
open_store(const struct opts *o, struct vm_store **store, struct vm_error *err)
{
	*store = vm_store_open(o->values.root, false, err);
	if (*store != NULL)
		return 0;
	if (err->kind != VM_E_NO_INPUT || o->values.operand_count > 0 ||
	    o->images)
		return -1;
	vm_error_clear(err);
	return 0;
}

static int
check_options(const struct opts *o, struct vm_error *err)
{
	if (o->images && o->repair)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "--images and --repair: one at a time");
	if (o->repair && o->values.operand_count == 0)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "--repair: name the VMs");
	return 0;
}

static int
run(const struct opts *o, struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records findings = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;
	size_t i;

	if (check_options(o, err) == -1 || open_store(o, &store, err) == -1)
		return -1;
	if (o->values.operand_count == 0 && !o->images &&
	    vm_doctor_check_host(store, &findings, err) == -1)
		return -1;
	for (i = 0; !o->images && i < o->values.operand_count; i++) {
		struct vm_error failure = { 0 };

		if ((o->repair ? vm_doctor_repair_vm :
				 vm_doctor_check_vm)(store,
			o->values.operands[i], &findings, &failure) == 0)
			continue;
		vm_log_failure(&failure);
		vm_cli_note(failure.kind);
	}
	if (o->images &&
	    vm_doctor_check_images(store, o->values.operands,
		o->values.operand_count, &findings, err) == -1)
		return -1;
	if (vm_doctor_count(&findings) > 0)
		vm_cli_note(VM_E_UNAVAILABLE);
	return vm_output_write(&output, &o->values, &findings, err);
}

int
main(int argc, char *argv[])
{
	struct opts opts = { 0 };
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
