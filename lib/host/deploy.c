/* deploy.c - see deploy.h. */
#include "lib/host/deploy.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/progress.h"
#include "lib/host/job.h"
#include "lib/host/subject.h"
#include "lib/qemu/accel.h"

/* How often the probes are looked at: well under what a person notices. */
#define TICK_MS 50

struct plan {
	struct vm_job *jobs;
	size_t count;
	const struct vm_deploy_options *options;
	char *qemu;
	bool kvm;
};

static void
release_plan(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->count; i++)
		vm_job_release(&plan->jobs[i]);
	free(plan->jobs);
	free(plan->qemu);
}

static int
init_plan(struct plan *plan, struct vm_store *store, struct vm_records *records,
    struct vm_error *err)
{
	size_t i;

	if (records->count == 0)
		return 0;
	plan->jobs = calloc(records->count, sizeof(*plan->jobs));
	if (plan->jobs == NULL)
		return vm_error_nomem(err);
	plan->count = records->count;
	for (i = 0; i < plan->count; i++) {
		struct vm_job *job = &plan->jobs[i];

		job->store = store;
		job->record = records->items[i];
		job->state = vm_record_is_failed(job->record) ? VM_JOB_PASSED :
								VM_JOB_PENDING;
		job->launch = (struct vm_launch)VM_LAUNCH_EMPTY;
		job->ready.fd = job->ready.pidfd = -1;
	}
	return 0;
}

/* ---- order ---- */

/* Does `after` of this job name the other's role? */
static bool
comes_after(const struct vm_job *job, const struct vm_job *other)
{
	const struct vm_json *after = vm_json_get(job->record, "spec.after");
	const char *role = vm_json_string(other->record, "role", NULL), *name;
	size_t i;

	if (role == NULL ||
	    strcmp(vm_json_string(job->record, "service", ""),
		vm_json_string(other->record, "service", "")) != 0)
		return false;
	for (i = 0; i < vm_json_count(after); i++) {
		name = vm_json_text(vm_json_at(after, i));
		if (name != NULL && strcmp(name, role) == 0)
			return true;
	}
	return false;
}

/* The first job that this one has to wait for, or that has failed it. */
static const struct vm_job *
find_hindrance(const struct plan *plan, const struct vm_job *job)
{
	size_t i;

	for (i = 0; i < plan->count; i++) {
		const struct vm_job *other = &plan->jobs[i];

		if (other != job && other->state != VM_JOB_DONE &&
		    comes_after(job, other))
			return other;
	}
	return NULL;
}

/* What comes first has failed, so this is not started. */
static void
fail_after(struct vm_job *job, const struct vm_job *other)
{
	struct vm_error failure = { 0 };

	vm_error_set(&failure, VM_E_UNAVAILABLE, "after_failed",
	    "not started: %.64s, which comes first, has failed",
	    vm_json_string(other->record, "name", "?"));
	vm_job_fail(job, &failure);
}

/* Nothing runs that could let these go on: they wait for one another. */
static void
fail_rings(struct plan *plan)
{
	struct vm_error failure = { 0 };
	size_t i;

	vm_error_set(&failure, VM_E_DATA, "after_ring",
	    "spec.after: it would wait for ever, in a ring of roles");
	for (i = 0; i < plan->count && vm_proc_stopped() == 0; i++) {
		if (plan->jobs[i].state == VM_JOB_PENDING)
			vm_job_fail(&plan->jobs[i], &failure);
	}
}

/* ---- work ---- */

/* Begin all that can be begun, then see each of them running. */
static size_t
begin_jobs(struct plan *plan)
{
	size_t i, begun = 0;

	for (i = 0; i < plan->count; i++) {
		struct vm_job *job = &plan->jobs[i];
		const struct vm_job *other;

		if (job->state != VM_JOB_PENDING || vm_proc_stopped() != 0)
			continue;
		other = find_hindrance(plan, job);
		if (other != NULL && other->state != VM_JOB_FAILED &&
		    other->state != VM_JOB_PASSED)
			continue;
		begun++;
		if (other != NULL)
			fail_after(job, other);
		else
			vm_job_begin(job, plan->qemu, plan->kvm);
	}
	for (i = 0; i < plan->count; i++) {
		if (plan->jobs[i].state == VM_JOB_STARTED)
			vm_job_confirm(&plan->jobs[i], plan->options);
	}
	return begun;
}

/* Look at each that waits; how many still do, and whether one has come on. */
static size_t
step_jobs(struct plan *plan, bool *has_changed)
{
	size_t i, waiting = 0, finished = 0;

	*has_changed = false;
	for (i = 0; i < plan->count; i++) {
		struct vm_job *job = &plan->jobs[i];

		if (job->state == VM_JOB_WAITING) {
			vm_job_step(job);
			*has_changed |= job->state != VM_JOB_WAITING;
		}
		waiting += job->state == VM_JOB_WAITING;
		finished += job->state > VM_JOB_WAITING ||
		    job->state == VM_JOB_PASSED;
	}
	vm_progress_update(finished);
	return waiting;
}

static void
work(struct plan *plan)
{
	bool has_changed = true;
	size_t waiting = 0;

	vm_progress_start("vmdeploy", plan->count, VM_PROGRESS_ITEMS);
	while (vm_proc_stopped() == 0) {
		if (has_changed) {
			while (begin_jobs(plan) > 0)
				continue;
		}
		waiting = step_jobs(plan, &has_changed);
		if (waiting == 0 && !has_changed)
			break;
		if (!has_changed)
			poll(NULL, 0, TICK_MS);
	}
	fail_rings(plan);
	vm_progress_end();
}

/* Jobs for the records, and what to run them with; 0: nothing to be done. */
static int
prepare(struct plan *plan, struct vm_store *store, struct vm_records *records,
    struct vm_error *err)
{
	struct vm_accel accel;
	size_t i, pending = 0;

	if (init_plan(plan, store, records, err) == -1)
		return -1;
	for (i = 0; i < plan->count; i++)
		pending += plan->jobs[i].state == VM_JOB_PENDING;
	if (pending == 0)
		return 0;
	if ((plan->qemu = vm_accel_find_qemu(err)) == NULL ||
	    vm_accel_get(store, &accel, err) == -1)
		return -1;
	if (!accel.kvm && accel.fresh)
		vm_log(VM_LOG_WARN,
		    "KVM cannot be used here (%s): guests are emulated, which "
		    "is slow",
		    accel.reason);
	plan->kvm = accel.kvm;
	return 1;
}

int
vm_deploy_run(struct vm_store *store, const struct vm_deploy_options *options,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN(release_plan) struct plan plan = { .options = options };
	int rc = prepare(&plan, store, records, err);

	if (rc == 1)
		work(&plan);
	return rc == -1 ? -1 : 0;
}

int
vm_deploy_format(struct vm_store *store, struct vm_records *records,
    struct vm_buf *out, struct vm_error *err)
{
	VM_CLEAN(release_plan) struct plan plan = { 0 };
	int rc = prepare(&plan, store, records, err);
	size_t i;

	for (i = 0; rc == 1 && i < plan.count; i++) {
		struct vm_job *job = &plan.jobs[i];

		if (job->state == VM_JOB_PENDING)
			vm_job_format(job, plan.qemu, plan.kvm, out);
	}
	return rc == -1 ? -1 : 0;
}
