/* vmsched - a service from its manifest: check, plan, apply, scale, delete. */
#include <stdio.h>
#include <string.h>

#include "lib/base/cli_verb.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/record/schema.h"
#include "lib/site/check.h"
#include "lib/site/site.h"

#define EXIT_CHANGES 2

struct opts {
	struct vm_cli_values values;
	bool detailed, prune, force;
};

static const struct vm_cli_option options[] = {
	{ .name = "detailed-exitcode",
	    .help = "plan: end with 2 when something would change",
	    .offset = offsetof(struct opts, detailed) },
	{ .letter = 'f',
	    .name = "force",
	    .help = "delete: stop the VMs that run",
	    .offset = offsetof(struct opts, force) },
	{ .name = "prune",
	    .help = "plan, apply: remove VMs that there shall not be",
	    .offset = offsetof(struct opts, prune) },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmsched",
	.synopsis = "check|schema|plan|apply|status|scale|delete ...",
	.summary = "brings a service to what its manifest says",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_JOBS | VM_CLI_OUTPUT | VM_CLI_JSON,
};

/* What a subcommand works with. */
struct call {
	const struct opts *opts;
	struct vm_site_options site;
	char **operands; /* after the subcommand */
	size_t count;
	struct vm_store *store;
	struct vm_records out;
};

static int
run_check(struct call *call, struct vm_error *err)
{
	for (size_t i = 0; i < call->count; i++) {
		if (vm_check_manifest(call->operands[i], err) == -1) {
			vm_log_failure(err);
			vm_cli_note(err->kind);
		}
	}
	return 0;
}

static int
run_schema(struct call *call, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = vm_schema_to_json_schema(err);
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	(void)call;
	if (json == NULL || vm_json_format(json, false, &text, err) == -1)
		return -1;
	puts(text.data);
	return 0;
}

static int
run_plan(struct call *call, struct vm_error *err)
{
	VM_CLEAN_MANIFEST struct vm_manifest manifest = { 0 };
	size_t changes;

	if (vm_check_load(call->operands[0], &manifest, err) == -1 ||
	    vm_site_plan(call->store, &manifest, &call->site, &call->out,
		&changes, err) == -1)
		return -1;
	if (call->opts->detailed && changes > 0)
		vm_cli_note((enum vm_kind)EXIT_CHANGES);
	return 0;
}

static int
run_apply(struct call *call, struct vm_error *err)
{
	VM_CLEAN_MANIFEST struct vm_manifest manifest = { 0 };

	if (vm_check_load(call->operands[0], &manifest, err) == -1)
		return -1;
	return vm_site_apply(call->store, &manifest, &call->site, &call->out,
	    err);
}

static int
run_status(struct call *call, struct vm_error *err)
{
	return vm_site_status(call->store, call->operands, call->count,
	    &call->out, err);
}

static int
run_scale(struct call *call, struct vm_error *err)
{
	uint64_t count;

	if (vm_size_parse_number(call->operands[1], 0, 10000, &count, err) ==
	    -1) {
		err->kind = VM_E_USAGE;
		return vm_error_wrap(err, "scale %s", call->operands[0]);
	}
	return vm_site_scale(call->store, call->operands[0], (size_t)count,
	    &call->site, &call->out, err);
}

static int
run_delete(struct call *call, struct vm_error *err)
{
	for (size_t i = 0; i < call->count; i++) {
		if (vm_site_delete(call->store, call->operands[i], &call->site,
			&call->out, err) == -1) {
			vm_log_failure(err);
			vm_cli_note(err->kind);
		}
	}
	return 0;
}

/* The options that not every subcommand takes. */
enum { DETAILED = 1, PRUNE = 2, FORCE = 4, DRY_RUN = 8 };

static const struct vm_cli_verb verbs[] = {
	{ "check", " MANIFEST ...", 1, SIZE_MAX, 0 },
	{ "schema", "", 0, 0, 0 },
	{ "plan", " [--detailed-exitcode] [--prune] MANIFEST", 1, 1,
	    DETAILED | PRUNE | DRY_RUN },
	{ "apply", " [-n] [--prune] MANIFEST", 1, 1, PRUNE | DRY_RUN },
	{ "status", " [SERVICE ...]", 0, SIZE_MAX, 0 },
	{ "scale", " [-n] SERVICE/ROLE N", 2, 2, DRY_RUN },
	{ "delete", " [-fn] SERVICE[/ROLE] ...", 1, SIZE_MAX, FORCE | DRY_RUN },
	{ 0 },
};

/* What each of them does, in the same order. */
static const struct act {
	enum { NO_STORE, READS, PLANS, WRITES } store;
	int (*run)(struct call *call, struct vm_error *err);
} acts[] = {
	{ NO_STORE, run_check },
	{ NO_STORE, run_schema },
	{ PLANS, run_plan },
	{ WRITES, run_apply },
	{ READS, run_status },
	{ READS, run_scale },
	{ READS, run_delete },
};

static const struct act *
find_act(const struct opts *o, struct vm_error *err)
{
	unsigned given = (o->detailed ? DETAILED : 0) | (o->prune ? PRUNE : 0) |
	    (o->force ? FORCE : 0) | (o->values.dry_run ? DRY_RUN : 0);
	int found = vm_cli_find_verb(&cli, verbs, &o->values, given, err);

	return found == -1 ? NULL : &acts[found];
}

/* To a plan, a store that is not there yet is an empty one: NULL, no error. */
static struct vm_store *
open_store(const struct opts *o, const struct act *act, struct vm_error *err)
{
	bool plans = act->store == PLANS ||
	    (act->store == WRITES && o->values.dry_run);
	struct vm_store *store;

	store = vm_store_open(o->values.root, act->store == WRITES && !plans,
	    err);
	if (store == NULL && plans && strcmp(err->code, "no_store") == 0)
		vm_error_clear(err);
	return store;
}

static int
run(const struct opts *o, const struct act *act, struct vm_error *err)
{
	VM_CLEAN_STORE struct vm_store *store = NULL;
	struct call call = { .opts = o,
		.site = { .dry_run = o->values.dry_run,
		    .prune = o->prune,
		    .force = o->force,
		    .quiet = o->values.quiet,
		    .verbose = o->values.verbose,
		    .jobs = o->values.jobs },
		.operands = o->values.operands + 1,
		.count = o->values.operand_count - 1 };
	int done;

	if (act->store != NO_STORE)
		store = open_store(o, act, err);
	if (act->store != NO_STORE && store == NULL && vm_error_is_set(err))
		return -1;
	call.store = store;
	done = act->run(&call, err);
	if (done == 0 && act->store != NO_STORE)
		done = vm_output_finish(&vm_site_output, &o->values, cli.name,
		    &call.out, err);
	vm_records_release(&call.out);
	return done;
}

int
main(int argc, char *argv[])
{
	struct opts opts = { 0 };
	struct vm_error err = { 0 };
	const struct act *act;

	vm_cli_start(&cli);
	if (vm_cli_parse(&cli, &opts, argc, argv, &err) == -1)
		return vm_cli_fail(&err);
	if (vm_output_help(&vm_site_output, &opts.values))
		return vm_cli_finish();
	act = find_act(&opts, &err);
	if (act == NULL || run(&opts, act, &err) == -1)
		return vm_cli_fail(&err);
	return vm_cli_finish();
}
