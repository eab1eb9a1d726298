#include "lib/guest/appliance_child.h"

#include <string.h>
#include <unistd.h>

#include "lib/adapt/guestfs.h"
#include "lib/base/clock.h"
#include "lib/guest/layout.h"
#include "lib/guest/report.h"
#include "lib/guest/system.h"

/* Room for a package manager at work; less is no faster. */
#define MEMORY_MIB 1024

/* Layouts found in this appliance, one per base. */
struct memory {
	const char *base;
	struct vm_json *layout;
};

static struct vm_guestfs *
start(struct vm_change *const *jobs, size_t count, struct vm_error *err)
{
	const struct vm_guestfs_options options = {
		.memory_mib = MEMORY_MIB,
		.network = jobs[0]->network,
	};
	VM_CLEAN_GUESTFS struct vm_guestfs *g = vm_guestfs_new(&options, err);

	if (g == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (vm_guestfs_add_drive(g, jobs[i]->disk, jobs[i]->is_raw,
			err) == -1)
			return NULL;
	if (vm_guestfs_launch(g, err) == -1)
		return NULL;
	return VM_TAKE(g);
}

/* The job's layout: known, found for another job of its base, or found now. */
static const struct vm_json *
get_layout(const struct vm_engine *engine, const struct vm_change *job,
    size_t drive, struct memory *memory, struct vm_report *report,
    struct vm_error *err)
{
	if (job->layout != NULL)
		return job->layout;
	for (; memory->base != NULL; memory++)
		if (strcmp(memory->base, job->base) == 0)
			return memory->layout;
	memory->layout = vm_layout_find(engine, drive, err);
	if (memory->layout == NULL)
		return NULL;
	memory->base = job->base;
	report->layout = vm_json_copy(memory->layout);
	return memory->layout;
}

/* One guest: mounted, changed, unmounted. */
static int
work_on(struct vm_store *store, const struct vm_engine *engine,
    const struct vm_change *job, size_t drive, struct memory *memory,
    struct vm_report *report, struct vm_error *err)
{
	struct vm_op_context context = { .engine = engine, .store = store };
	struct vm_error ignored;
	int result;

	context.layout = get_layout(engine, job, drive, memory, report, err);
	if (context.layout == NULL)
		return -1;
	result = vm_layout_mount(engine, drive, context.layout, err);
	if (result == 0)
		result = job->change(job, &context, report->warnings, err);
	if (result == 0)
		result = vm_system_relabel(engine, err);
	if (engine->ops->unmount_all(engine->state,
		result == 0 ? err : &ignored) == -1)
		return -1;
	return result;
}

/* Work through all jobs; -1: the appliance can do no more. */
static int
work_on_all(struct vm_store *store, struct vm_guestfs *g,
    struct vm_change *const *jobs, size_t count, int fd, struct vm_error *err)
{
	const struct vm_engine engine = vm_guestfs_engine(g);
	VM_CLEAN_FREE struct memory *memory = calloc(count + 1, sizeof *memory);

	if (memory == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < count; i++) {
		VM_CLEAN_REPORT struct vm_report report = {
			.event = VM_REPORT_START, .job = i
		};
		uint64_t begin = vm_clock_ms();

		if (vm_report_send(fd, &report, err) == -1)
			return -1;
		report.event = VM_REPORT_DONE;
		report.warnings = vm_json_new_array();
		if (work_on(store, &engine, jobs[i], i, memory, &report,
			&report.error) == -1 &&
		    report.error.kind == VM_E_UNAVAILABLE) {
			*err = report.error;
			return -1;
		}
		report.ms = vm_clock_ms() - begin;
		if (vm_report_send(fd, &report, err) == -1)
			return -1;
	}
	return 0;
}

void
vm_appliance_child_run(struct vm_store *store, struct vm_change *const *jobs,
    size_t count, int fd)
{
	struct vm_report last = { .event = VM_REPORT_END };
	struct vm_guestfs *g = start(jobs, count, &last.error);

	if (g == NULL ||
	    work_on_all(store, g, jobs, count, fd, &last.error) == -1 ||
	    vm_guestfs_shutdown(g, &last.error) == -1)
		last.event = VM_REPORT_BROKEN;
	vm_guestfs_free(g);
	_exit(vm_report_send(fd, &last, NULL) == 0 ? 0 : 1);
}
