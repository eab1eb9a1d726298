#include "lib/image/run.h"

#include <pthread.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/proc.h"
#include "lib/image/demand.h"
#include "lib/image/further.h"
#include "lib/image/generation.h"
#include "lib/image/jobs.h"
#include "lib/image/lockfile.h"
#include "lib/image/named.h"
#include "lib/image/outcome.h"
#include "lib/image/ovf_manifest.h"
#include "lib/image/siblings.h"
#include "lib/image/uploads.h"
#include "lib/record/input.h"
#include "lib/record/manifest.h"

#define TOOL VM_IMAGE_TOOL

struct run {
	struct vm_store *store;
	const struct vm_image_options *options;
	struct vm_jobs jobs;
	size_t first;		   /* job of the manifest at hand */
	pthread_mutex_t lock_file; /* who writes in it */
};

/* --- one record ---------------------------------------------------------- */

static int
fetch_as(const struct run *run, const struct vm_source *source,
    const struct vm_fetch_options *how, struct vm_fetched *fetched,
    struct vm_error *err)
{
	if (how->locked)
		return vm_lockfile_fetch(run->store, source, how, fetched, err);
	if (run->store == NULL && source->kind == VM_SOURCE_STORE) {
		vm_error_set(err, VM_E_NO_INPUT, "alias_not_found",
		    "%s: no such alias", source->shown);
		return vm_error_hint(err, "vmfetch -a %s SOURCE",
		    source->shown);
	}
	return source->kind == VM_SOURCE_STORE ?
	    vm_generation_use(run->store, source, how, fetched, err) :
	    vm_fetch_source(run->store, source, how, fetched, err);
}

/* Look it up in catalogues, if that is due, and fetch it. */
static int
fetch(const struct run *run, struct vm_source *source,
    struct vm_fetched *fetched, struct vm_error *err)
{
	const struct vm_image_options *options = run->options;
	struct vm_fetch_options how = options->fetch;
	struct vm_named named VM_CLEAN_NAMED = { 0 };

	how.is_one_of_many = options->jobs > 1 && run->jobs.count > 1;
	if (vm_named_find(run->store, options->catalogs, options->catalog_count,
		&how, source, &named, err) == -1)
		return -1;
	if (named.is_stale)
		how.refresh = false;
	if (named.found && how.alias == NULL)
		how.alias = named.alias;
	if (named.found && named.is_strange)
		how.reach.access = (struct vm_http_access){
			.ca_file = how.reach.access.ca_file,
			.no_private = how.reach.access.no_private,
		};
	if (fetch_as(run, source, &how, fetched, err) == -1)
		return -1;
	return named.found && !how.dry_run ?
	    vm_named_note(run->store, &named, fetched->alias.name, err) :
	    0;
}

/* --lock: write down what it was. */
static int
note(struct run *run, const struct vm_fetched *fetched, struct vm_error *err)
{
	const struct vm_fetch_options *how = &run->options->fetch;
	int result;

	if (how->lock_file == NULL || how->locked || how->dry_run)
		return 0;
	if (fetched->alias.name[0] == '\0')
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "%s: --lock needs an alias, not an id", fetched->alias.id);
	pthread_mutex_lock(&run->lock_file);
	result = vm_lockfile_note(run->store, how->lock_file, fetched, err);
	pthread_mutex_unlock(&run->lock_file);
	return result;
}

static int
pin(const struct run *run, const struct vm_fetched *fetched,
    const struct vm_json *facts, struct vm_error *err)
{
	const struct vm_pin_change *change = &run->options->pin;

	if (run->options->fetch.dry_run ||
	    !(change->pin || change->unpin || change->lease))
		return 0;
	if (vm_pin_change(run->store, fetched->alias.id, change, err) == -1)
		return -1;
	return vm_siblings_pin(run->store, facts, change, err);
}

/* --manifest-out: what the OVF describes. */
static int
write_manifest(const struct run *run, const struct vm_fetched *fetched,
    const struct vm_json *facts, struct vm_error *err)
{
	const char *path = run->options->manifest_out;
	const struct vm_alias *alias = &fetched->alias;

	if (path == NULL || fetched->absent || run->options->fetch.dry_run)
		return 0;
	return vm_ovf_manifest_write(run->store, path, facts,
	    alias->name[0] != '\0' ? alias->name : alias->id, err);
}

/* Fetch it for the record, which says how that went. */
static int
fetch_job(void *context, struct vm_job *job, struct vm_error *err)
{
	struct run *run = context;
	struct vm_source *source = &job->source;
	struct vm_json *record = job->record;
	struct vm_json *facts VM_CLEAN_JSON = NULL;
	struct vm_fetched fetched = { 0 };
	struct vm_error failure = { 0 };
	uint64_t start = vm_clock_ms();

	if (fetch(run, source, &fetched, &failure) == -1)
		return vm_record_fail(record, TOOL, &failure, err);
	if (run->store != NULL && !fetched.absent)
		facts = vm_image_load(run->store, fetched.alias.id, &failure);
	if (vm_error_is_set(&failure) ||
	    pin(run, &fetched, facts, &failure) == -1 ||
	    note(run, &fetched, &failure) == -1 ||
	    write_manifest(run, &fetched, facts, &failure) == -1)
		return vm_record_fail(record, TOOL, &failure, err);
	return vm_outcome_note(run->store, &fetched, facts,
	    vm_clock_ms() - start, record, err);
}

/* The image of a role's further disk: it only has to be there. */
static int
fetch_alias(void *context, const char *alias, struct vm_error *err)
{
	struct run *run = context;
	struct vm_source source VM_CLEAN_SOURCE = { 0 };
	struct vm_fetched fetched = { 0 };

	if (vm_source_parse(alias, NULL, &source, err) == -1 ||
	    fetch(run, &source, &fetched, err) == -1)
		return -1;
	return note(run, &fetched, err);
}

/* --- sources ------------------------------------------------------------- */

/* To be fetched when all are known; both are taken. */
static int
add(struct run *run, struct vm_json *record, struct vm_source *source,
    struct vm_error *err)
{
	struct vm_job *job = vm_jobs_add(&run->jobs, record, err);

	if (job == NULL)
		return -1;
	job->source = *source;
	*source = (struct vm_source){ 0 };
	job->due = job->source.shown != NULL;
	if (!job->due)
		return 0;
	job->name = job->source.kind == VM_SOURCE_STORE ?
	    vm_buf_printf(err, "%s", job->source.shown) :
	    vm_source_name(&job->source, err);
	return job->name == NULL ? -1 : 0;
}

static int
add_mirrors(const struct run *run, struct vm_source *source,
    struct vm_error *err)
{
	for (size_t i = 0; i < run->options->mirror_count; i++)
		if (vm_source_add_mirror(source, run->options->mirrors[i],
			err) == -1)
			return -1;
	return 0;
}

static int
run_source(struct run *run, const char *text, bool is_file,
    struct vm_error *err)
{
	struct vm_source source VM_CLEAN_SOURCE = { 0 };
	struct vm_json *record VM_CLEAN_JSON = vm_record_new("image", err);
	char *path VM_CLEAN_FREE = NULL;
	const char *checksum = run->options->checksum;
	struct vm_error failure = { 0 };
	char name[64];

	if (!is_file && vm_named_fold(text, run->options->catalog_count, name))
		text = name;
	/* --image box.qcow2 is a file even without a slash. */
	if (is_file && strchr(text, '/') == NULL && strcmp(text, "-") != 0) {
		path = vm_buf_printf(err, "./%s", text);
		if (path == NULL)
			return -1;
		text = path;
	}
	if (record == NULL)
		return -1;
	if (vm_source_parse(text, NULL, &source, &failure) == -1 ||
	    (checksum != NULL &&
		vm_source_pin(&source, checksum, &failure) == -1) ||
	    vm_source_set_trust(&source, NULL, run->options->checksums,
		run->options->signature, run->options->keyring,
		&failure) == -1 ||
	    add_mirrors(run, &source, &failure) == -1) {
		vm_source_release(&source);
		if (vm_record_fail(record, TOOL, &failure, err) == -1)
			return -1;
	}
	return add(run, VM_TAKE(record), &source, err);
}

/* --- manifests ----------------------------------------------------------- */

static bool
is_wanted(const struct vm_image_options *options, const char *role)
{
	for (size_t i = 0; i < options->role_count; i++)
		if (strcmp(options->roles[i], role) == 0)
			return true;
	return options->role_count == 0;
}

static int
check_roles(const struct vm_image_options *options,
    const struct vm_manifest *manifest, struct vm_error *err)
{
	const struct vm_json *roles = vm_json_get(manifest->json, "roles");

	for (size_t i = 0; i < options->role_count; i++)
		if (vm_json_member(roles, options->roles[i]) == NULL)
			return vm_error_set(err, VM_E_USAGE, "no_role",
			    "%s: there is no role %s", manifest->path,
			    options->roles[i]);
	return 0;
}

/* The number, plus 1, of this manifest's earlier job for the same image; 0. */
static size_t
find_same(const struct run *run, const struct vm_json *record)
{
	const struct vm_json *image = vm_json_get(record, "spec.image");

	for (size_t i = run->first; i < run->jobs.count; i++)
		if (vm_json_is_equal(vm_json_get(run->jobs.items[i].record,
					 "spec.image"),
			image))
			return i + 1;
	return 0;
}

static int
add_role(struct run *run, const struct vm_manifest *manifest,
    const struct vm_json *asked, struct vm_json **record, struct vm_error *err)
{
	struct vm_source source VM_CLEAN_SOURCE = { 0 };
	struct vm_json *role = vm_json_get(*record, "spec");
	size_t same = find_same(run, *record);
	struct vm_error failure = { 0 };

	if (!run->options->fetch.dry_run &&
	    vm_uploads_take(run->store, role, manifest->directory, &failure) ==
		-1)
		same = 0;
	else if (same == 0 &&
	    vm_source_parse_role(asked, manifest->directory, &source,
		&failure) == -1)
		vm_source_release(&source);
	if (vm_error_is_set(&failure) &&
	    vm_record_fail(*record, TOOL, &failure, err) == -1)
		return -1;
	if (add(run, VM_TAKE(*record), &source, err) == -1)
		return -1;
	run->jobs.items[run->jobs.count - 1].same = same;
	return 0;
}

static int
run_role(struct run *run, const struct vm_manifest *manifest, const char *name,
    struct vm_error *err)
{
	struct vm_json *record VM_CLEAN_JSON = vm_record_new("image", err);
	const struct vm_json *role = vm_json_member(vm_json_get(manifest->json,
							"roles"),
	    name);

	if (record == NULL || vm_proc_check_stop(err) == -1 ||
	    vm_json_set_string(record, "service",
		vm_json_string(manifest->json, "service", ""), err) == -1 ||
	    vm_json_set_string(record, "role", name, err) == -1 ||
	    vm_json_set(record, "spec", vm_json_copy(role), err) == -1 ||
	    vm_source_hide_role(vm_json_get(record, "spec"), err) == -1)
		return -1;
	return add_role(run, manifest, role, &record, err);
}

static int
run_manifest(struct run *run, const char *path, struct vm_error *err)
{
	struct vm_manifest manifest VM_CLEAN_MANIFEST = { 0 };
	struct vm_json *order VM_CLEAN_JSON = NULL;

	run->first = run->jobs.count;
	if (vm_manifest_load(path, &manifest, run->options->problems, err) ==
		-1 ||
	    check_roles(run->options, &manifest, err) == -1)
		return -1;
	order = vm_manifest_order(&manifest, err);
	if (order == NULL)
		return -1;
	for (size_t i = 0; i < vm_json_count(order); i++) {
		const char *name = vm_json_text(vm_json_at(order, i));

		if (is_wanted(run->options, name) &&
		    run_role(run, &manifest, name, err) == -1)
			return -1;
	}
	return 0;
}

/* --- all ----------------------------------------------------------------- */

static int
run_aliases(struct run *run, struct vm_error *err)
{
	char **names VM_CLEAN_NAMES = NULL;

	if (run->store == NULL)
		return 0;
	names = vm_store_list(run->store, VM_STORE_ALIASES, err);
	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++)
		if (run_source(run, names[i], false, err) == -1)
			return -1;
	return 0;
}

/* Every name that a catalogue has. */
static int
run_names(struct run *run, struct vm_error *err)
{
	const struct vm_image_options *options = run->options;
	struct vm_json *names VM_CLEAN_JSON = vm_named_list(options->catalogs,
	    options->catalog_count, options->keyring, &options->fetch, err);

	if (names == NULL)
		return -1;
	for (size_t i = 0; i < vm_json_count(names); i++)
		if (run_source(run, vm_json_text(vm_json_at(names, i)), false,
			err) == -1)
			return -1;
	return 0;
}

/* All that is asked for becomes jobs. */
static int
collect(struct run *run, struct vm_error *err)
{
	const struct vm_image_options *options = run->options;

	if (vm_demand_is_for_names(options))
		return run_names(run, err);
	if (options->all)
		return run_aliases(run, err);
	if (options->manifest != NULL &&
	    run_manifest(run, options->manifest, err) == -1)
		return -1;
	if (options->image != NULL &&
	    run_source(run, options->image, true, err) == -1)
		return -1;
	for (size_t i = 0; i < options->operand_count; i++) {
		const char *operand = options->operands[i];

		if ((vm_input_classify(operand) == VM_OPERAND_MANIFEST ?
			    run_manifest(run, operand, err) :
			    run_source(run, operand, false, err)) == -1)
			return -1;
	}
	return 0;
}

/* What became of an image, in all records that asked for it. */
static int
share_outcomes(struct vm_jobs *jobs, struct vm_error *err)
{
	for (size_t i = 0; i < jobs->count; i++) {
		const struct vm_job *job = &jobs->items[i];

		if (job->same != 0 &&
		    vm_outcome_copy(jobs->items[job->same - 1].record,
			job->record, err) == -1)
			return -1;
	}
	return 0;
}

/* The records in the order in which they were asked for. */
static int
report(struct vm_jobs *jobs, struct vm_records *records, struct vm_error *err)
{
	for (size_t i = 0; i < jobs->count; i++)
		if (vm_records_add(records, VM_TAKE(jobs->items[i].record),
			err) == -1)
			return -1;
	return 0;
}

static void
release(struct run *run)
{
	vm_jobs_release(&run->jobs);
	pthread_mutex_destroy(&run->lock_file);
}

int
vm_image_run(struct vm_store *store, const struct vm_image_options *options,
    struct vm_records *records, struct vm_error *err)
{
	struct run run VM_CLEAN(release) = { .store = store,
		.options = options,
		.lock_file = PTHREAD_MUTEX_INITIALIZER };

	if (vm_demand_check(options, err) == -1 || collect(&run, err) == -1 ||
	    vm_jobs_run(&run.jobs, options->jobs, fetch_job, &run, err) == -1)
		return -1;
	if (share_outcomes(&run.jobs, err) == -1 ||
	    vm_further_fetch(&run.jobs, fetch_alias, &run, err) == -1)
		return -1;
	return report(&run.jobs, records, err);
}
