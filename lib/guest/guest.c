#include "lib/guest/guest.h"

#include <string.h>

#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/guest/work.h"
#include "lib/qemu/accel.h"

#define TOOL "vmcustomize"
#define WAVE 100 /* VMs whose next directories are open at once */

/* What one call knows. */
struct run {
	struct vm_store *store;
	const struct vm_guest_options *options;
	struct vm_records *records;
	struct vm_work *works; /* one per record */
	struct vm_bases bases;
	struct vm_change **jobs; /* room for all layers and one wave */
};

static void
release_run(struct run *run)
{
	for (size_t i = 0; run->works != NULL && i < run->records->count; i++)
		vm_work_release(&run->works[i]);
	free(run->works);
	vm_bases_release(&run->bases);
	free(run->jobs);
}

/* ---- planning ---- */

static int
plan_record(struct run *run, size_t i, struct vm_error *err)
{
	const struct vm_json *record = run->records->items[i];
	struct vm_work *work = &run->works[i];

	if (!vm_record_is_kind(record, "vm")) {
		vm_error_set(err, VM_E_DATA, "not_a_vm",
		    "a record of kind %s, not of a VM",
		    vm_json_string(record, "kind", "none"));
		return vm_error_hint(err, "vmclone");
	}
	if (vm_plan_make(run->store, record, run->options->hand,
		run->options->next, &work->plan, err) == -1)
		return -1;
	if (work->plan.action == VM_PLAN_PASS || run->options->dry_run ||
	    run->options->next)
		return 0;
	return vm_work_check_idle(run->store, record, err);
}

/* Every record gets its plan, or its error. */
static int
plan_all(struct run *run, struct vm_error *err)
{
	for (size_t i = 0; i < run->records->count; i++) {
		struct vm_work *work = &run->works[i];

		if (vm_proc_check_stop(err) == -1)
			return -1;
		if (!vm_record_is_failed(run->records->items[i]) &&
		    plan_record(run, i, &work->error) == -1)
			work->plan.action = VM_PLAN_PASS;
	}
	return 0;
}

static int
open_bases(struct run *run, struct vm_error *err)
{
	size_t count = run->records->count;
	VM_CLEAN_FREE struct vm_plan *plans = calloc(count + 1, sizeof *plans);

	if (plans == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < count; i++)
		plans[i] = run->works[i].plan;
	if (vm_bases_open(run->store, plans, count, &run->bases, err) == -1)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (run->works[i].plan.action != VM_PLAN_PASS)
			run->works[i].base = vm_bases_find(&run->bases,
			    &run->works[i].plan);
	return 0;
}

/* ---- working ---- */

/* Is it still to be done, and can it be done now? */
static bool
is_ready(const struct vm_work *work)
{
	return work->plan.action != VM_PLAN_PASS && !work->is_done &&
	    !vm_error_is_set(&work->error) &&
	    (work->base->is_open || vm_error_is_set(&work->base->error) ||
		work->plan.action == VM_PLAN_IN_PLACE);
}

/* Layers that are to be made: their jobs come first. */
static size_t
begin_layers(struct run *run)
{
	size_t count = 0;

	for (size_t i = 0; i < run->bases.count; i++) {
		struct vm_base *base = &run->bases.items[i];

		if (!base->is_open && !vm_error_is_set(&base->error) &&
		    vm_base_begin(run->store, base) == 1)
			run->jobs[count++] = &base->job;
	}
	return count;
}

/* Lock one VM, plan again and begin, unless another has done it meanwhile. */
static int
take_up(struct run *run, size_t i, struct vm_error *err)
{
	struct vm_work *work = &run->works[i];

	if (vm_work_lock(run->store, work, run->records->items[i],
		run->options->hand, err) == -1)
		return -1;
	if (work->plan.action == VM_PLAN_PASS) {
		vm_work_unlock(work);
		return 0;
	}
	work->base = vm_bases_find(&run->bases, &work->plan);
	if (work->base == NULL)
		return vm_error_set(err, VM_E_TRY_AGAIN, "raced",
		    "changed by another command just now");
	return vm_work_begin(run->store, work, err);
}

/* The next clones whose base is there; which[] gets their numbers. */
static size_t
begin_works(struct run *run, size_t *which)
{
	size_t count = 0;

	for (size_t i = 0; i < run->records->count && count < WAVE; i++) {
		struct vm_work *work = &run->works[i];

		if (!is_ready(work))
			continue;
		if (take_up(run, i, &work->error) == -1) {
			vm_publish_abort(&work->publish);
			vm_work_unlock(work);
			continue;
		}
		if (work->plan.action != VM_PLAN_PASS)
			which[count++] = i;
	}
	return count;
}

/* What was found out about guests, before the jobs are forgotten. */
static void
learn(struct run *run, const struct vm_change *job)
{
	if (job->found != NULL)
		vm_bases_learn(run->store, &run->bases, job->base, job->found);
}

/* Make the completed VMs visible, together. */
static int
commit(struct run *run, const size_t *which, size_t count, struct vm_error *err)
{
	struct vm_publish publishes[WAVE];
	const char *names[WAVE];
	VM_CLEAN_FREE struct vm_error *results = calloc(WAVE, sizeof *results);
	size_t done[WAVE], n = 0;

	if (results == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < count; i++) {
		struct vm_work *work = &run->works[which[i]];

		if (!work->job.is_done)
			work->error = work->job.error;
		if (!work->job.is_done ||
		    vm_work_complete(work, &work->error) == -1) {
			vm_publish_abort(&work->publish);
			vm_work_unlock(work);
			continue;
		}
		publishes[n] = work->publish;
		work->publish = (struct vm_publish){ 0 };
		names[n] = work->plan.object;
		done[n++] = which[i];
	}
	/* when none could be published, each result says why */
	if (n > 0 &&
	    vm_publish_commit_all(publishes,
		run->options->next ? VM_STORE_OLD : VM_STORE_VMS, names,
		VM_PUBLISH_REPLACE, results, n, err) == -1)
		vm_log(VM_LOG_INFO, "none of %zu VMs published", n);
	for (size_t i = 0; i < n; i++) {
		struct vm_work *work = &run->works[done[i]];

		work->error = results[i];
		work->is_done = !vm_error_is_set(&results[i]);
		vm_publish_abort(&publishes[i]);
		vm_work_unlock(work);
	}
	return 0;
}

/* One wave: the layers still missing and clones that can be made. 0: none. */
static int
run_wave(struct run *run, struct vm_error *err)
{
	const struct vm_appliance_options options = {
		.appliances = run->options->appliances,
		.timeout_ms = run->options->timeout_ms,
	};
	size_t which[WAVE];
	size_t layers = begin_layers(run);
	size_t count = begin_works(run, which);

	for (size_t i = 0; i < count; i++)
		run->jobs[layers + i] = &run->works[which[i]].job;
	if (layers + count == 0)
		return 0;
	if (vm_accel_setup_guestfs(run->store, err) == -1)
		return -1;
	if (vm_appliance_run(run->store, run->jobs, layers + count, &options,
		err) == -1)
		return -1;
	for (size_t i = 0; i < layers + count; i++)
		learn(run, run->jobs[i]);
	for (size_t i = 0; i < run->bases.count; i++)
		if (run->bases.items[i].lock_fd >= 0)
			vm_base_finish(run->store, &run->bases.items[i]);
	return commit(run, which, count, err) == -1 ? -1 : 1;
}

/* ---- the answer ---- */

static int
say_planned(const struct vm_work *work, struct vm_json *record,
    struct vm_error *err)
{
	static const char *const words[] = { "none", "rebuild", "in_place" };
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	if (vm_plan_describe(&work->plan, &text, err) == -1)
		return -1;
	vm_log(VM_LOG_WARN, "%s: %s", vm_json_string(record, "name", "?"),
	    text.data);
	return vm_json_set_string(record, "planned", words[work->plan.action],
	    err);
}

/* The record that goes on: with the facts as the store has them now. */
static int
answer(struct run *run, size_t i, struct vm_error *err)
{
	struct vm_json **record = &run->records->items[i];
	struct vm_work *work = &run->works[i];

	if (vm_record_is_failed(*record))
		return 0;
	if (vm_error_is_set(&work->error))
		return vm_record_fail(*record, TOOL, &work->error, err);
	if (work->is_done) {
		VM_CLEAN_JSON struct vm_json *stored = vm_plan_load(run->store,
		    &work->plan, false, &work->error);

		if (stored == NULL)
			return vm_record_fail(*record, TOOL, &work->error, err);
		vm_json_free(*record);
		*record = VM_TAKE(stored);
		return 0;
	}
	if (run->options->dry_run && say_planned(work, *record, err) == -1)
		return -1;
	if (work->plan.action != VM_PLAN_PASS)
		return 0;
	if (vm_plan_note_drift(&work->plan, err) == -1)
		return -1;
	if (run->options->dry_run &&
	    vm_json_set_string(work->plan.record, "planned", "none", err) == -1)
		return -1;
	vm_json_free(*record);
	*record = VM_TAKE(work->plan.record);
	vm_json_delete(*record, "private");
	return 0;
}

int
vm_guest_run(struct vm_store *store, const struct vm_guest_options *options,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN(release_run)
	struct run run = {
		.store = store, .options = options, .records = records
	};
	int more = 1;

	run.works = calloc(records->count + 1, sizeof *run.works);
	if (run.works == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < records->count; i++)
		run.works[i].lock_fd = -1;
	if (plan_all(&run, err) == -1)
		return -1;
	if (!options->dry_run) {
		if (open_bases(&run, err) == -1)
			return -1;
		run.jobs = calloc(run.bases.count + WAVE,
		    sizeof(struct vm_change *));
		if (run.jobs == NULL)
			return vm_error_nomem(err);
		while (more == 1)
			more = run_wave(&run, err);
		if (more == -1)
			return -1;
	}
	for (size_t i = 0; i < records->count; i++)
		if (answer(&run, i, err) == -1)
			return -1;
	return 0;
}
