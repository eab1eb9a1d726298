#include "lib/site/site.h"

#include <stdlib.h>
#include <string.h>

#include "lib/site/fleet.h"
#include "lib/site/remove.h"
#include "lib/site/role.h"
#include "lib/store/lock.h"

#define TOOL "vmsched"

/* What one call on a service holds. */
struct call {
	struct vm_store *store;
	const struct vm_site_options *options;
	struct vm_records *out;
	struct vm_intent intent;
	struct vm_records plan;
	int lock_fd;
};

static void
release(struct call *call)
{
	vm_intent_release(&call->intent);
	vm_records_release(&call->plan);
	if (call->lock_fd >= 0)
		close(call->lock_fd);
}

#define CLEAN_CALL VM_CLEAN(release)

/* Nobody else shall apply, scale or delete the service meanwhile. */
static int
lock(struct call *call, const char *service, struct vm_error *err)
{
	VM_CLEAN_FREE char *name = NULL;

	if (call->options->dry_run)
		return 0;
	name = vm_buf_printf(err, "service-%s", service);
	if (name == NULL)
		return -1;
	call->lock_fd = vm_lock_named(call->store, name, VM_LOCK_NO_WAIT, err);
	if (call->lock_fd == -1)
		return vm_error_wrap(err,
		    "service %s: another vmsched is at "
		    "work on it",
		    service);
	return 0;
}

/* Take the manifest as the new intent; counts set by scale live on. */
static int
adopt(struct call *call, struct vm_manifest *manifest, struct vm_error *err)
{
	VM_CLEAN_INTENT struct vm_intent old = { 0 };
	struct vm_error failure = { 0 };

	call->intent.manifest = *manifest;
	*manifest = (struct vm_manifest){ 0 };
	if (vm_intent_load(call->store,
		vm_json_string(call->intent.manifest.json, "service", ""), &old,
		&failure) == -1) {
		/* one that cannot be read is replaced */
		if (failure.kind == VM_E_NO_INPUT || failure.kind == VM_E_DATA)
			return 0;
		if (err != NULL)
			*err = failure;
		return -1;
	}
	call->intent.replicas = VM_TAKE(old.replicas);
	return 0;
}

/* The plan is the answer. */
static int
answer_plan(struct call *call, struct vm_error *err)
{
	for (size_t i = 0; i < call->plan.count; i++) {
		if (vm_records_add(call->out, VM_TAKE(call->plan.items[i]),
			err) == -1)
			return -1;
	}
	return 0;
}

int
vm_site_plan(struct vm_store *store, const struct vm_manifest *manifest,
    const struct vm_site_options *options, struct vm_records *out,
    size_t *changes, struct vm_error *err)
{
	struct vm_site_options dry = *options;
	CLEAN_CALL struct call call = {
		.store = store, .options = &dry, .out = out, .lock_fd = -1
	};
	struct vm_manifest copy = { 0 };

	dry.dry_run = true;
	if (vm_manifest_parse(manifest->path, manifest->directory,
		manifest->text, &copy, err) == -1 ||
	    adopt(&call, &copy, err) == -1 ||
	    vm_fleet_plan(store, &call.intent, NULL, options->prune, &call.plan,
		err) == -1)
		return -1;
	*changes = 0;
	for (size_t i = 0; i < call.plan.count; i++)
		*changes += vm_fleet_is_change(call.plan.items[i]);
	return answer_plan(&call, err);
}

/* One failed record for a whole role. */
static int
fail_role(struct call *call, const char *role, const struct vm_error *failure,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_record_new("image", err);

	if (record == NULL ||
	    vm_json_set_string(record, "service",
		vm_json_string(call->intent.manifest.json, "service", ""),
		err) == -1 ||
	    vm_json_set_string(record, "role", role, err) == -1 ||
	    vm_record_fail(record, TOOL, failure, err) == -1)
		return -1;
	return vm_records_add(call->out, VM_TAKE(record), err);
}

/* The first of the roles that this one waits for and that is not ready. */
static const char *
find_blocker(const struct call *call, const char *role,
    const struct vm_json *ready)
{
	const struct vm_json *after = vm_json_get(vm_intent_role(&call->intent,
						      role, NULL),
	    "after");

	for (size_t i = 0; i < vm_json_count(after); i++) {
		const char *other = vm_json_text(vm_json_at(after, i));

		if (other != NULL && vm_json_member(ready, other) == NULL)
			return other;
	}
	return NULL;
}

/* Roles that are done well are put into ready. */
static int
apply_role(struct call *call, const char *role, struct vm_json *ready,
    struct vm_error *err)
{
	const char *blocker = find_blocker(call, role, ready);
	struct vm_error failure = { 0 };
	bool is_ready = false;

	if (blocker != NULL) {
		vm_error_set(&failure, VM_E_UNAVAILABLE, "after_not_ready",
		    "not begun: role %s, which it comes after, is not ready",
		    blocker);
		return fail_role(call, role, &failure, err);
	}
	if (vm_role_apply(call->store, &call->intent, role, &call->plan,
		call->options, call->out, &is_ready, &failure) == -1) {
		if (failure.kind != VM_E_INTERRUPTED)
			return fail_role(call, role, &failure, err);
		if (err != NULL)
			*err = failure;
		return -1;
	}
	return is_ready ?
	    vm_json_set_member(ready, role, vm_json_new_bool(true), err) :
	    0;
}

/* What is too many and left alone. */
static int
show_extras(struct call *call, struct vm_error *err)
{
	for (size_t i = 0; i < call->plan.count; i++) {
		const struct vm_json *decision = call->plan.items[i];

		if (vm_fleet_is_action(decision, "extra") &&
		    vm_records_add(call->out, vm_json_copy(decision), err) ==
			-1)
			return -1;
	}
	return 0;
}

static int
apply_all(struct call *call, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *order = NULL;
	VM_CLEAN_JSON struct vm_json *ready = vm_json_new_object();

	order = vm_manifest_order(&call->intent.manifest, err);
	if (order == NULL)
		return -1;
	if (ready == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < vm_json_count(order); i++) {
		if (apply_role(call, vm_json_text(vm_json_at(order, i)), ready,
			err) == -1)
			return -1;
	}
	if (show_extras(call, err) == -1)
		return -1;
	/* with --prune, and only once all else is well */
	if (vm_json_count(ready) < vm_json_count(order))
		return 0;
	return vm_remove_vms(call->store, &call->plan, call->options, call->out,
	    err);
}

int
vm_site_apply(struct vm_store *store, struct vm_manifest *manifest,
    const struct vm_site_options *options, struct vm_records *out,
    struct vm_error *err)
{
	CLEAN_CALL struct call call = {
		.store = store, .options = options, .out = out, .lock_fd = -1
	};

	if (lock(&call, vm_json_string(manifest->json, "service", ""), err) ==
		-1 ||
	    adopt(&call, manifest, err) == -1 ||
	    vm_fleet_plan(store, &call.intent, NULL, options->prune, &call.plan,
		err) == -1)
		return -1;
	if (options->dry_run)
		return answer_plan(&call, err);
	if (vm_intent_save(store, &call.intent, err) == -1)
		return -1;
	return apply_all(&call, err);
}

static int
add_status(struct vm_store *store, const char *service, struct vm_records *out,
    struct vm_error *err)
{
	VM_CLEAN_INTENT struct vm_intent intent = { 0 };
	struct vm_error failure = { 0 };
	size_t before = out->count;

	if (vm_intent_load(store, service, &intent, &failure) == 0)
		return vm_fleet_plan(store, &intent, NULL, false, out, err);
	/* VMs that the pipe made by hand are worth a look as well */
	if (failure.kind == VM_E_NO_INPUT &&
	    (vm_fleet_load(store, service, out, err) == -1 ||
		out->count > before))
		return out->count > before ? 0 : -1;
	if (err != NULL)
		*err = failure;
	return -1;
}

int
vm_site_status(struct vm_store *store, char **services, size_t count,
    struct vm_records *out, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *all = NULL;

	for (size_t i = 0; i < count; i++) {
		if (add_status(store, services[i], out, err) == -1)
			return -1;
	}
	if (count > 0)
		return 0;
	all = vm_intent_list(store, err);
	if (all == NULL)
		return -1;
	for (size_t i = 0; i < vm_json_count(all); i++) {
		if (add_status(store, vm_json_text(vm_json_at(all, i)), out,
			err) == -1)
			return -1;
	}
	return 0;
}

/* "shop/web" into its halves; *role is NULL without a slash. */
static int
split(const char *target, char **service, const char **role,
    struct vm_error *err)
{
	const char *slash = strchr(target, '/');

	*service = vm_buf_printf(err, "%.*s",
	    slash != NULL ? (int)(slash - target) : (int)strlen(target),
	    target);
	*role = slash != NULL ? slash + 1 : NULL;
	if (*service == NULL || vm_record_check_name(*service, err) == -1 ||
	    (*role != NULL && vm_record_check_name(*role, err) == -1))
		return -1;
	return 0;
}

int
vm_site_scale(struct vm_store *store, const char *target, size_t count,
    const struct vm_site_options *options, struct vm_records *out,
    struct vm_error *err)
{
	CLEAN_CALL struct call call = {
		.store = store, .options = options, .out = out, .lock_fd = -1
	};
	VM_CLEAN_FREE char *service = NULL;
	struct vm_error failure = { 0 };
	const char *role;
	bool is_ready;

	if (split(target, &service, &role, err) == -1)
		return -1;
	if (role == NULL)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "%s: expected SERVICE/ROLE", target);
	if (lock(&call, service, err) == -1 ||
	    vm_intent_load(store, service, &call.intent, err) == -1 ||
	    vm_intent_scale(&call.intent, role, count, err) == -1 ||
	    vm_fleet_plan(store, &call.intent, role, true, &call.plan, err) ==
		-1)
		return -1;
	if (options->dry_run)
		return answer_plan(&call, err);
	if (vm_intent_save(store, &call.intent, err) == -1)
		return -1;
	if (vm_role_apply(store, &call.intent, role, &call.plan, options, out,
		&is_ready, &failure) == -1 &&
	    (failure.kind == VM_E_INTERRUPTED ||
		fail_role(&call, role, &failure, err) == -1)) {
		if (err != NULL && failure.kind == VM_E_INTERRUPTED)
			*err = failure;
		return -1;
	}
	return vm_remove_vms(store, &call.plan, options, out, err);
}

/* All VMs of the service or role become decisions to remove. */
static int
plan_delete(struct call *call, const char *service, const char *role,
    struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records fleet = { 0 };
	size_t up = 0;

	if (vm_fleet_load(call->store, service, &fleet, err) == -1)
		return -1;
	for (size_t i = 0; i < fleet.count; i++) {
		struct vm_json *record = fleet.items[i];

		if (role != NULL &&
		    strcmp(vm_json_string(record, "role", ""), role) != 0)
			continue;
		up += vm_fleet_is_up(record);
		if (vm_json_set_string(record, "action", "remove", err) == -1 ||
		    vm_records_add(&call->plan, VM_TAKE(fleet.items[i]), err) ==
			-1)
			return -1;
	}
	if (up == 0 || call->options->force || call->options->dry_run)
		return 0;
	vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
	    "%s%s%s: %zu of its VMs run", service, role != NULL ? "/" : "",
	    role != NULL ? role : "", up);
	return vm_error_hint(err, "vmsched delete -f %s%s%s", service,
	    role != NULL ? "/" : "", role != NULL ? role : "");
}

int
vm_site_delete(struct vm_store *store, const char *target,
    const struct vm_site_options *options, struct vm_records *out,
    struct vm_error *err)
{
	CLEAN_CALL struct call call = {
		.store = store, .options = options, .out = out, .lock_fd = -1
	};
	VM_CLEAN_FREE char *service = NULL;
	struct vm_error failure = { 0 };
	const char *role;
	bool known;
	size_t before = out->count;

	if (split(target, &service, &role, err) == -1 ||
	    lock(&call, service, err) == -1)
		return -1;
	known = vm_intent_load(store, service, &call.intent, &failure) == 0 ||
	    failure.kind != VM_E_NO_INPUT;
	if (plan_delete(&call, service, role, err) == -1)
		return -1;
	if (call.plan.count == 0 && !known) {
		if (err != NULL)
			*err = failure;
		return -1;
	}
	if (options->dry_run)
		return answer_plan(&call, err);
	if (vm_remove_vms(store, &call.plan, options, out, err) == -1)
		return -1;
	for (size_t i = before; i < out->count; i++) {
		if (vm_record_is_failed(out->items[i]))
			return 0; /* what was asked for stays known */
	}
	return role == NULL ? vm_intent_remove(store, service, err) : 0;
}
