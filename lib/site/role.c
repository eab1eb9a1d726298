#include "lib/site/role.h"

#include <string.h>

#include "lib/site/fleet.h"
#include "lib/site/step.h"

/* Is it about a VM of the role that there shall be? */
static bool
is_kept(const struct vm_json *decision, const char *role)
{
	return strcmp(vm_json_string(decision, "role", ""), role) == 0 &&
	    !vm_fleet_is_action(decision, "remove") &&
	    !vm_fleet_is_action(decision, "extra");
}

/* Is there anything for the pipe to do? */
static bool
needs_pipe(const struct vm_json *spec, const char *role,
    const struct vm_records *decisions)
{
	size_t kept = 0;

	for (size_t i = 0; i < decisions->count; i++) {
		const struct vm_json *decision = decisions->items[i];

		kept += is_kept(decision, role);
		if (is_kept(decision, role) && vm_fleet_is_change(decision))
			return true;
	}
	return kept > 0 &&
	    strcmp(vm_json_string(spec, "image.pull", ""), "always") == 0;
}

/* {"indices":[...]} of the VMs there shall be, for vmclone. */
static int
set_indices(struct vm_json *image, const char *role,
    const struct vm_records *decisions, struct vm_error *err)
{
	struct vm_json *indices = vm_json_new_array();

	if (vm_json_set_member(image, "indices", indices, err) == -1)
		return -1;
	for (size_t i = 0; i < decisions->count; i++) {
		const struct vm_json *decision = decisions->items[i];

		if (is_kept(decision, role) &&
		    vm_json_append(indices,
			vm_json_new_int(vm_json_int(decision, "index", 0)),
			err) == -1)
			return -1;
	}
	return 0;
}

/* Records through one command: *records is replaced by what comes out. */
static int
pass(struct vm_store *store, const char *program, bool parallel,
    const char *directory, const struct vm_site_options *options,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf lines = { 0 };
	VM_CLEAN_RECORDS struct vm_records made = { 0 };
	struct vm_step step = { .program = program,
		.parallel = parallel,
		.directory = directory,
		.input = &lines };

	if (vm_step_format(records, &lines, err) == -1 ||
	    vm_step_run(store, &step, options, &made, err) == -1)
		return -1;
	vm_records_release(records);
	*records = made;
	made = (struct vm_records){ 0 };
	return 0;
}

static int
fetch(struct vm_store *store, const struct vm_intent *intent, const char *role,
    const struct vm_site_options *options, struct vm_records *records,
    struct vm_error *err)
{
	const char *const args[] = { "-f", "-", "--role", role, NULL };
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	struct vm_step step = { .program = "vmfetch",
		.args = args,
		.directory = intent->manifest.directory,
		.input = &text };

	if (vm_buf_add_string(&text, intent->manifest.text, err) == -1)
		return -1;
	return vm_step_run(store, &step, options, records, err);
}

/* Is there a record left that has not failed? */
static bool
is_alive(const struct vm_records *records)
{
	for (size_t i = 0; i < records->count; i++) {
		if (!vm_record_is_failed(records->items[i]))
			return true;
	}
	return false;
}

static int
run_pipe(struct vm_store *store, const struct vm_intent *intent,
    const char *role, const struct vm_records *decisions,
    const struct vm_site_options *options, struct vm_records *records,
    struct vm_error *err)
{
	const char *directory = intent->manifest.directory;

	static const struct {
		const char *program;
		bool parallel;
	} steps[] = { { "vmclone", true }, { "vmcustomize", true },
		{ "vmdeploy", false } };

	if (fetch(store, intent, role, options, records, err) == -1)
		return -1;
	for (size_t i = 0; i < records->count; i++) {
		if (vm_record_is_kind(records->items[i], "image") &&
		    set_indices(records->items[i], role, decisions, err) == -1)
			return -1;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!is_alive(records))
			return 0;
		if (pass(store, steps[i].program, steps[i].parallel, directory,
			options, records, err) == -1)
			return -1;
	}
	return 0;
}

/*
 * What was decided for the VM of that name.  Records come in the order of the
 * decisions, so the search goes on from where the last one ended.
 */
static const char *
action_of(const struct vm_records *decisions, const char *name, size_t *at)
{
	const struct vm_json *decision;

	for (size_t i = 0; i < decisions->count; i++) {
		decision = decisions->items[(*at)++ % decisions->count];
		if (strcmp(vm_json_string(decision, "name", ""), name) == 0)
			return vm_json_string(decision, "action", "");
	}
	return "none";
}

static bool
is_ready(const struct vm_json *spec, const struct vm_json *record)
{
	const char *state = vm_json_string(record, "state", "");

	if (strcmp(state, "ready") == 0)
		return true;
	return vm_json_get(spec, "ready") == NULL &&
	    strcmp(state, "running") == 0;
}

int
vm_role_apply(struct vm_store *store, const struct vm_intent *intent,
    const char *role, const struct vm_records *decisions,
    const struct vm_site_options *options, struct vm_records *out, bool *ready,
    struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	const struct vm_json *spec = vm_intent_role(intent, role, err);
	bool all = true;
	size_t at = 0;

	if (spec == NULL)
		return -1;
	if (needs_pipe(spec, role, decisions)) {
		if (run_pipe(store, intent, role, decisions, options, &records,
			err) == -1)
			return -1;
	} else {
		for (size_t i = 0; i < decisions->count; i++) {
			if (is_kept(decisions->items[i], role) &&
			    vm_records_add(&records,
				vm_json_copy(decisions->items[i]), err) == -1)
				return -1;
		}
	}
	for (size_t i = 0; i < records.count; i++) {
		struct vm_json *record = VM_TAKE(records.items[i]);
		const char *name = vm_json_string(record, "name", "");

		all = all && is_ready(spec, record);
		if (vm_records_add(out, record, err) == -1 ||
		    vm_json_set_string(record, "action",
			action_of(decisions, name, &at), err) == -1)
			return -1;
	}
	*ready = all;
	return 0;
}
