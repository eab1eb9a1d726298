#include "lib/clone/clone.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/clone/batch.h"
#include "lib/clone/build.h"
#include "lib/clone/expand.h"
#include "lib/clone/indices.h"
#include "lib/clone/mode.h"
#include "lib/clone/running.h"
#include "lib/record/manifest.h"
#include "lib/store/vm.h"

/* What one call knows. */
struct run {
	struct vm_store *store;
	const struct vm_clone_options *options;
	char **existing;	   /* sorted names of the store's VMs */
	struct vm_source *sources; /* one per image record */
	size_t source_count;
	struct vm_batch batch;
	char host[256];
};

/* ---- the input: --from, --set, the record's own checks ---- */

static int
apply_sets(const struct vm_clone_options *options, struct vm_json *record,
    struct vm_error *err)
{
	struct vm_json *spec = vm_json_get(record, "spec");
	size_t i;

	if (spec == NULL &&
	    vm_json_set(record, "spec", vm_json_new_object(), err) == -1)
		return -1;
	spec = vm_json_get(record, "spec");
	for (i = 0; i < options->set_count; i++)
		if (vm_manifest_set(spec, options->sets[i], err) == -1)
			return -1;
	if (options->size != NULL &&
	    vm_json_set_string(spec, "disk", options->size, err) == -1)
		return -1;
	return vm_manifest_check_role(spec, err);
}

/* The VMs of one image record go into the batch. */
static int
add_image(struct run *run, struct vm_json *record, struct vm_source *source,
    struct vm_error *err)
{
	VM_CLEAN_EXPAND struct vm_expand expand = { 0 };
	uint64_t size_bytes;
	size_t i;

	if (apply_sets(run->options, record, err) == -1 ||
	    vm_build_disk_size(record, source, &size_bytes, err) == -1 ||
	    vm_mode_wish(run->store, run->options, source, record, err) == -1 ||
	    (run->options->ephemeral &&
		vm_json_set_bool(record, "ephemeral", true, err) == -1) ||
	    vm_json_set_string(record, "host", run->host, err) == -1 ||
	    vm_expand_record(record, run->options, run->existing, &expand,
		err) == -1)
		return -1;
	if (run->options->uuid != NULL && expand.count > 1)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "--uuid is for one VM, not for %zu", expand.count);
	for (i = 0; i < expand.count; i++) {
		if (vm_batch_add_vm(&run->batch, record, source,
			expand.vms[i].name, expand.vms[i].index,
			expand.vms[i].exists, err) == -1)
			return -1;
	}
	return 0;
}

/* A VM record: the VM is here and is the one meant, or the record fails. */
static int
add_vm_record(struct run *run, const struct vm_json *record,
    struct vm_error *err)
{
	struct vm_json *copy = vm_json_copy(record);
	VM_CLEAN_JSON struct vm_json *stored = NULL;
	struct vm_error failure = { 0 };

	if (copy == NULL)
		return vm_error_nomem(err);
	stored = vm_vm_load(run->store, vm_json_string(record, "name", ""),
	    false, &failure);
	if (vm_batch_add_pass(&run->batch, copy, err) == -1)
		return -1;
	if (stored == NULL || vm_vm_check_facts(stored, record, &failure) == -1)
		run->batch.items[run->batch.count - 1].failure = failure;
	return 0;
}

static int
add_record(struct run *run, struct vm_json *record, struct vm_error *err)
{
	struct vm_source *source = &run->sources[run->source_count];
	struct vm_error failure = { 0 };
	struct vm_json *copy;

	if (!vm_record_is_failed(record) && vm_record_is_kind(record, "vm"))
		return add_vm_record(run, record, err);
	if (!vm_record_is_failed(record)) {
		if (vm_source_open(run->store, record, source, &failure) == 0) {
			run->source_count++;
			if (add_image(run, record, source, &failure) == 0)
				return 0;
		}
	}
	if ((copy = vm_json_copy(record)) == NULL)
		return vm_error_nomem(err);
	if (vm_batch_add_pass(&run->batch, copy, err) == -1)
		return -1;
	run->batch.items[run->batch.count - 1].failure = failure;
	return 0;
}

static int
add_from(struct run *run, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_source_from(run->store,
	    run->options->from, &run->sources[0], err);

	if (record == NULL)
		return -1;
	run->source_count = 1;
	if (vm_json_get(record, "copy_of") != NULL &&
	    run->options->name_count == 0 && run->options->pattern == NULL)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "--from %s: name the copies, or give --name",
		    run->options->from);
	return add_image(run, record, &run->sources[0], err);
}

/* A VM that runs is copied once, if any clone of it is to be made. */
static int
copy_running(struct run *run, struct vm_error *err)
{
	struct vm_source *source = &run->sources[0];
	size_t i;

	if (run->source_count == 0 || source->running == NULL)
		return 0;
	for (i = 0; i < run->batch.count; i++) {
		const struct vm_batch_item *item = &run->batch.items[i];

		if (item->action != VM_BATCH_PASS &&
		    !vm_error_is_set(&item->failure))
			return vm_running_copy(run->store, source, err);
	}
	return 0;
}

/* ---- the output ---- */

/* One line of -n on stderr, and the word in the record. */
static int
say_planned(const struct vm_batch_item *item, struct vm_error *err)
{
	static const char *const words[] = { "none", "make", "rebuild" };

	vm_log(VM_LOG_WARN, "%s: would %s",
	    vm_json_string(item->record, "name", "?"),
	    item->action == VM_BATCH_PASS	 ? "be left as it is" :
		item->action == VM_BATCH_REBUILD ? "be built again" :
						   "be made");
	/* what the disk would be */
	if (vm_json_get(item->record, "disks.0.mode") == NULL &&
	    vm_json_set_string(item->record, "disks.0.mode", "overlay", err) ==
		-1)
		return -1;
	return vm_json_set_string(item->record, "planned", words[item->action],
	    err);
}

static int
emit_item(struct run *run, struct vm_batch_item *item, long long each_ms,
    struct vm_records *out, struct vm_error *err)
{
	struct vm_json *record = item->record;

	if (vm_error_is_set(&item->failure)) {
		if (item->action == VM_BATCH_MAKE)
			vm_json_delete(record, "disks"); /* there is none */
		if (vm_record_fail(record, "vmclone", &item->failure, err) ==
		    -1)
			return -1;
	} else if (run->options->dry_run && item->source != NULL) {
		if (say_planned(item, err) == -1)
			return -1;
	} else if (item->action != VM_BATCH_PASS) {
		if (vm_vm_make_absolute(run->store, record, err) == -1 ||
		    vm_json_set_int(record, "timing_ms.clone", each_ms, err) ==
			-1)
			return -1;
		if (item->action == VM_BATCH_REBUILD)
			vm_log(VM_LOG_INFO, "%s: built again",
			    vm_json_string(record, "name", "?"));
		vm_json_delete(record, "private");
	}
	item->record = NULL;
	return vm_records_add(out, record, err);
}

static int
emit(struct run *run, uint64_t started_ms, struct vm_records *records,
    struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records out = { 0 };
	uint64_t elapsed_ms = vm_clock_ms() - started_ms;
	size_t made = 0, i;

	for (i = 0; i < run->batch.count; i++)
		made += run->batch.items[i].action != VM_BATCH_PASS;
	for (i = 0; i < run->batch.count; i++) {
		if (emit_item(run, &run->batch.items[i],
			made == 0 ? 0 :
				    (long long)((elapsed_ms + made - 1) / made),
			&out, err) == -1)
			return -1;
	}
	vm_records_release(records);
	*records = out;
	memset(&out, 0, sizeof(out));
	return 0;
}

static void
release(struct run *run)
{
	size_t i;

	vm_batch_release(&run->batch);
	for (i = 0; i < run->source_count; i++)
		vm_source_close(&run->sources[i]);
	free(run->sources);
	vm_store_free_names(run->existing);
}

static int
count_images(const struct vm_records *records)
{
	int images = 0;
	size_t i;

	for (i = 0; i < records->count; i++)
		images += vm_record_is_kind(records->items[i], "image") &&
		    !vm_record_is_failed(records->items[i]);
	return images;
}

static int
add_all(struct run *run, const struct vm_records *records, struct vm_error *err)
{
	size_t i;

	if (run->options->from != NULL)
		return add_from(run, err);
	if ((run->options->name_count > 0 || run->options->pattern != NULL ||
		run->options->uuid != NULL) &&
	    count_images(records) > 1)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "%s for %d image records: give them one by one "
		    "(vmfetch --role ROLE)",
		    run->options->uuid != NULL ? "one UUID" : "names",
		    count_images(records));
	for (i = 0; i < records->count; i++) {
		if (add_record(run, records->items[i], err) == -1)
			return -1;
	}
	return 0;
}

int
vm_clone_check(const struct vm_clone_options *options, struct vm_error *err)
{
	VM_CLEAN_INDICES struct vm_indices indices = { 0 };
	struct vm_identity_plan plan;

	if (options->indices != NULL &&
	    (options->count > 0 || options->name_count > 0))
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "--index says which VMs there shall be: no -c and no names "
		    "with it");
	if (options->no_host_keys && options->host_key_count > 0)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "--no-host-keys makes none: no --host-key with it");
	if ((options->indices != NULL &&
		vm_indices_parse(options->indices, &indices, err) == -1) ||
	    vm_identity_plan(options, &plan, err) == -1)
		return -1;
	return vm_mode_check(options, err);
}

int
vm_clone_run(struct vm_store *store, const struct vm_clone_options *options,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN(release)
	struct run run = { .store = store,
		.options = options,
		.batch = { .store = store, .options = options } };
	uint64_t started_ms = vm_clock_ms();

	if (vm_identity_plan(options, &run.batch.plan, err) == -1)
		return -1;
	if (gethostname(run.host, sizeof(run.host) - 1) == -1)
		snprintf(run.host, sizeof(run.host), "localhost");
	run.sources = calloc(records->count + 1, sizeof(*run.sources));
	if (run.sources == NULL)
		return vm_error_nomem(err);
	run.existing = vm_store_list(store, VM_STORE_VMS, err);
	if (run.existing == NULL || add_all(&run, records, err) == -1)
		return -1;
	if (!options->dry_run &&
	    (copy_running(&run, err) == -1 ||
		vm_batch_make(&run.batch, err) == -1))
		return -1;
	return emit(&run, started_ms, records, err);
}
