#include "lib/site/remove.h"

#include "lib/base/log.h"
#include "lib/site/fleet.h"
#include "lib/site/step.h"
#include "lib/store/vm.h"

/* The names of those to be removed (with `up`: that run), the last first. */
static int
list_names(const struct vm_records *decisions, bool up, struct vm_buf *names,
    struct vm_error *err)
{
	for (size_t i = decisions->count; i-- > 0;) {
		const struct vm_json *decision = decisions->items[i];

		if (!vm_fleet_is_action(decision, "remove") ||
		    (up && !vm_fleet_is_up(decision)))
			continue;
		if (vm_buf_format(names, err, "%s\n",
			vm_json_string(decision, "name", "")) == -1)
			return -1;
	}
	return 0;
}

static int
run_on(struct vm_store *store, const char *program, const struct vm_buf *names,
    const struct vm_site_options *options, struct vm_error *err)
{
	struct vm_step step = { .program = program, .input = names };

	return names->len > 0 ? vm_step_run(store, &step, options, NULL, err) :
				0;
}

/* The store says what became of it. */
static int
report(struct vm_store *store, const struct vm_json *decision,
    struct vm_records *out, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_json_copy(decision);
	VM_CLEAN_JSON struct vm_json *left = NULL;
	struct vm_error failure = { 0 };
	const char *name = vm_json_string(decision, "name", "");

	if (record == NULL)
		return vm_error_nomem(err);
	left = vm_vm_load(store, name, false, &failure);
	if (left == NULL && failure.kind == VM_E_NO_INPUT) {
		vm_log(VM_LOG_INFO, "%s: removed; back with: vmrm --undo %s",
		    name, name);
		if (vm_json_set_string(record, "state", "removed", err) == -1)
			return -1;
	} else {
		vm_error_set(&failure, VM_E_UNAVAILABLE, "not_removed",
		    "%s: still there", name);
		if (vm_record_fail(record, "vmsched", &failure, err) == -1)
			return -1;
	}
	return vm_records_add(out, VM_TAKE(record), err);
}

int
vm_remove_vms(struct vm_store *store, const struct vm_records *decisions,
    const struct vm_site_options *options, struct vm_records *out,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf up = { 0 }, all = { 0 };

	if (list_names(decisions, true, &up, err) == -1 ||
	    list_names(decisions, false, &all, err) == -1 ||
	    run_on(store, "vmstop", &up, options, err) == -1 ||
	    run_on(store, "vmrm", &all, options, err) == -1)
		return -1;
	for (size_t i = decisions->count; i-- > 0;) {
		if (vm_fleet_is_action(decisions->items[i], "remove") &&
		    report(store, decisions->items[i], out, err) == -1)
			return -1;
	}
	return 0;
}
