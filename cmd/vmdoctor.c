/* vmdoctor - what is wrong here, and the one command that mends it. */
#include <sys/stat.h>

#include "lib/base/cli.h"
#include "lib/base/log.h"
#include "lib/host/doctor.h"
#include "lib/record/input.h"
#include "lib/record/output.h"

struct opts {
	struct vm_cli_values values;
	bool identity;
	bool images;
	bool repair;
};

static const struct vm_cli_option options[] = {
	{ .name = "identity",
	    .help = "find VMs with the same UUID, MAC, keys ... here and in "
		    "records",
	    .type = VM_CLI_FLAG,
	    .offset = offsetof(struct opts, identity) },
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
	{ "shared", NULL, false,
	    "with --identity: what, its value, with whom" },
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
	if (o->images + o->repair + o->identity > 1)
		return vm_cli_usage(&cli, err,
		    "--identity, --images and --repair: one at a time");
	if (o->identity && o->values.operand_count > 0)
		return vm_cli_usage(&cli, err,
		    "--identity: all VMs are compared, no names with it");
	if (o->repair && o->values.operand_count == 0)
		return vm_cli_usage(&cli, err, "--repair: name the VMs");
	return 0;
}

/* Are there records on stdin: is it a pipe, a socket or a file? */
static bool
has_input(void)
{
	struct stat st;

	return fstat(0, &st) == 0 &&
	    (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) ||
		S_ISSOCK(st.st_mode));
}

/* The store's VMs, and those of the records that come in. */
static int
check_identity(struct vm_store *store, struct vm_records *findings,
    struct vm_error *err)
{
	const struct vm_input input = { .allow_empty = true };
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	size_t i;

	if (has_input() && vm_input_read(&input, cli.name, &records, err) == -1)
		return -1;
	for (i = 0; i < records.count; i++) {
		struct vm_error failure = { 0 };

		if (vm_record_failure(records.items[i], cli.name, &failure))
			vm_log_failure(&failure);
	}
	return vm_doctor_check_identity(store, &records, findings, err);
}

static void
check_vm(const struct opts *o, struct vm_store *store, const char *name,
    struct vm_records *findings)
{
	struct vm_error failure = { 0 };

	if ((o->repair ? vm_doctor_repair_vm : vm_doctor_check_vm)(store, name,
		findings, &failure) == 0)
		return;
	vm_log_failure(&failure);
	vm_cli_note(failure.kind);
}

static int
check(const struct opts *o, struct vm_store *store, struct vm_records *findings,
    struct vm_error *err)
{
	size_t i;

	if (o->identity)
		return check_identity(store, findings, err);
	if (o->images)
		return vm_doctor_check_images(store, o->values.operands,
		    o->values.operand_count, findings, err);
	if (o->values.operand_count == 0)
		return vm_doctor_check_host(store, findings, err);
	for (i = 0; i < o->values.operand_count; i++)
		check_vm(o, store, o->values.operands[i], findings);
	return 0;
}

static int
run(const struct opts *o, struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records findings = { 0 };
	VM_CLEAN_STORE struct vm_store *store = NULL;

	if (check_options(o, err) == -1 || open_store(o, &store, err) == -1 ||
	    check(o, store, &findings, err) == -1)
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
