#include "lib/site/fleet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/record/drift.h"
#include "lib/record/input.h"
#include "lib/record/manifest_files.h"
#include "lib/store/alias.h"
#include "lib/store/vm.h"

/* One role while it is planned. */
struct plan {
	struct vm_store *store;
	const char *service, *role;
	struct vm_json *spec; /* with the digests of its files */
	char *image_id;	      /* or NULL: not known */
	const struct vm_records *fleet;
	size_t wanted;
	bool prune;
	struct vm_records *out;
};

static const char *
state_of(const struct vm_json *record)
{
	return vm_json_string(record, "state", "");
}

static bool
is_role(const struct vm_json *record, const char *role)
{
	return strcmp(vm_json_string(record, "role", ""), role) == 0;
}

bool
vm_fleet_is_up(const struct vm_json *record)
{
	const char *state = state_of(record);

	return strcmp(state, "running") == 0 || strcmp(state, "ready") == 0 ||
	    strcmp(state, "suspended") == 0;
}

bool
vm_fleet_is_action(const struct vm_json *decision, const char *action)
{
	return strcmp(vm_json_string(decision, "action", ""), action) == 0;
}

bool
vm_fleet_is_change(const struct vm_json *decision)
{
	return !vm_fleet_is_action(decision, "none") &&
	    !vm_fleet_is_action(decision, "extra");
}

static int
compare_records(const void *a, const void *b)
{
	const struct vm_json *x = *(struct vm_json *const *)a;
	const struct vm_json *y = *(struct vm_json *const *)b;
	int64_t i = vm_json_int(x, "index", 0), j = vm_json_int(y, "index", 0);
	int order = strcmp(vm_json_string(x, "role", ""),
	    vm_json_string(y, "role", ""));

	if (order != 0 || i == j)
		return order;
	return i < j ? -1 : 1;
}

/* One VM of the store, if it is of this service. */
static int
load_one(struct vm_store *store, const char *name, const char *service,
    struct vm_records *fleet, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;
	struct vm_error failure = { 0 };
	int busy;

	record = vm_vm_load(store, name, false, &failure);
	if (record == NULL && failure.kind == VM_E_NO_INPUT)
		return 0; /* removed meanwhile */
	if (record == NULL) {
		if (err != NULL)
			*err = failure;
		return -1;
	}
	if (strcmp(vm_json_string(record, "service", ""), service) != 0)
		return 0;
	if (vm_fleet_is_up(record)) {
		busy = vm_vm_is_busy(store, name, err);
		if (busy == -1 ||
		    (busy == 0 &&
			vm_json_set_string(record, "state", "stopped", err) ==
			    -1))
			return -1;
	}
	return vm_records_add(fleet, VM_TAKE(record), err);
}

int
vm_fleet_load(struct vm_store *store, const char *service,
    struct vm_records *fleet, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = NULL;

	if (store == NULL)
		return 0;
	names = vm_store_list(store, VM_STORE_VMS, err);
	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		if (load_one(store, names[i], service, fleet, err) == -1)
			return -1;
	}
	if (fleet->count > 1)
		qsort(fleet->items, fleet->count, sizeof(fleet->items[0]),
		    compare_records);
	return 0;
}

/* --- one role ----------------------------------------------------------- */

/* What the role's image is now; an image not fetched yet is no error. */
static int
find_image(struct plan *plan, struct vm_error *err)
{
	const char *source = vm_json_string(plan->spec, "image.source", "");
	VM_CLEAN_FREE char *name = NULL;
	struct vm_alias alias;

	if (plan->store == NULL)
		return 0;
	if (vm_input_classify(source) != VM_OPERAND_NAME) {
		name = vm_alias_of_source(plan->store, source, NULL);
		source = name;
	}
	if (source == NULL ||
	    vm_alias_resolve(plan->store, source, &alias, NULL) == -1)
		return 0;
	plan->image_id = vm_buf_printf(err, "%s", alias.id);
	return plan->image_id != NULL ? 0 : -1;
}

static int
decide(const struct vm_json *decision, const char *action, struct plan *plan,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *copy = vm_json_copy(decision);

	if (copy == NULL)
		return vm_error_nomem(err);
	if (vm_json_set_string(copy, "action", action, err) == -1)
		return -1;
	return vm_records_add(plan->out, VM_TAKE(copy), err);
}

/* A VM that shall be there, and is. */
static int
decide_present(struct vm_json *record, struct plan *plan, struct vm_error *err)
{
	bool started = vm_json_bool(record, "started", false);
	const char *action = "start";
	struct vm_json *drift;
	size_t drifts;

	drift = vm_drift_between(record, plan->spec, plan->image_id, err);
	drifts = vm_json_count(drift);
	if (drift == NULL ||
	    vm_json_set_member(record, "drift", drift, err) == -1)
		return -1;
	if (strcmp(state_of(record), "ready") == 0)
		action = "none";
	else if (vm_fleet_is_up(record))
		action = vm_json_get(plan->spec, "ready") != NULL ? "wait" :
								    "none";
	else if (drifts > 0 && !started)
		action = "rebuild";
	return decide(record, action, plan, err);
}

static int
decide_absent(int64_t index, struct plan *plan, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_record_new("vm", err);
	VM_CLEAN_FREE char *name = NULL;

	name = vm_buf_printf(err, "%s-%s-%" PRId64, plan->service, plan->role,
	    index);
	if (record == NULL || name == NULL ||
	    vm_json_set_string(record, "service", plan->service, err) == -1 ||
	    vm_json_set_string(record, "role", plan->role, err) == -1 ||
	    vm_json_set_int(record, "index", index, err) == -1 ||
	    vm_json_set_string(record, "name", name, err) == -1 ||
	    vm_json_set_string(record, "state", "absent", err) == -1)
		return -1;
	return decide(record, "create", plan, err);
}

/* The fleet is sorted: walk the indices and the VMs that exist together. */
static int
plan_role(struct plan *plan, struct vm_error *err)
{
	size_t there = 0, missing, kept = 0;
	int64_t next = 1;

	for (size_t i = 0; i < plan->fleet->count; i++)
		there += is_role(plan->fleet->items[i], plan->role);
	missing = plan->wanted > there ? plan->wanted - there : 0;
	for (size_t i = 0; i < plan->fleet->count; i++) {
		struct vm_json *record = plan->fleet->items[i];
		int64_t index = vm_json_int(record, "index", 0);

		if (!is_role(record, plan->role))
			continue;
		for (; missing > 0 && next < index; missing--) {
			if (decide_absent(next++, plan, err) == -1)
				return -1;
		}
		next = index + 1;
		if ((kept++ < plan->wanted ?
			    decide_present(record, plan, err) :
			    decide(record, plan->prune ? "remove" : "extra",
				plan, err)) == -1)
			return -1;
	}
	for (; missing > 0; missing--) {
		if (decide_absent(next++, plan, err) == -1)
			return -1;
	}
	return 0;
}

static int
begin_role(struct plan *plan, const struct vm_intent *intent, const char *role,
    struct vm_error *err)
{
	const struct vm_json *spec = vm_intent_role(intent, role, err);

	if (spec == NULL)
		return -1;
	plan->role = role;
	plan->wanted = vm_intent_count(intent, role);
	plan->spec = vm_json_copy(spec);
	if (plan->spec == NULL)
		return vm_error_nomem(err);
	if (vm_manifest_digest_files(plan->spec, intent->manifest.directory,
		err) == -1 ||
	    find_image(plan, err) == -1)
		return vm_error_wrap(err, "%s/%s", plan->service, role);
	return plan_role(plan, err);
}

static int
plan_one(struct plan *plan, const struct vm_intent *intent, const char *role,
    struct vm_error *err)
{
	int done = begin_role(plan, intent, role, err);

	vm_json_free(plan->spec);
	free(plan->image_id);
	plan->spec = NULL;
	plan->image_id = NULL;
	return done;
}

/* VMs of roles that the manifest does not have any more. */
static int
plan_orphans(struct plan *plan, const struct vm_intent *intent,
    struct vm_error *err)
{
	const struct vm_json *roles = vm_json_get(intent->manifest.json,
	    "roles");

	for (size_t i = 0; i < plan->fleet->count; i++) {
		const struct vm_json *record = plan->fleet->items[i];

		if (vm_json_member(roles, vm_json_string(record, "role", "")) !=
		    NULL)
			continue;
		if (decide(record, plan->prune ? "remove" : "extra", plan,
			err) == -1)
			return -1;
	}
	return 0;
}

int
vm_fleet_plan(struct vm_store *store, const struct vm_intent *intent,
    const char *role, bool prune, struct vm_records *out, struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records fleet = { 0 };
	VM_CLEAN_JSON struct vm_json *order = NULL;
	struct plan plan = {
		.store = store, .prune = prune, .fleet = &fleet, .out = out
	};

	plan.service = vm_json_string(intent->manifest.json, "service", "");
	if (vm_fleet_load(store, plan.service, &fleet, err) == -1)
		return -1;
	if (role != NULL)
		return plan_one(&plan, intent, role, err);
	order = vm_manifest_order(&intent->manifest, err);
	if (order == NULL)
		return -1;
	for (size_t i = 0; i < vm_json_count(order); i++) {
		if (plan_one(&plan, intent, vm_json_text(vm_json_at(order, i)),
			err) == -1)
			return -1;
	}
	return plan_orphans(&plan, intent, err);
}
