#include "lib/guest/plan.h"

#include <stdio.h>
#include <string.h>

#include "lib/guest/caller_key.h"
#include "lib/guest/identity.h"
#include "lib/guest/ops.h"
#include "lib/record/drift.h"
#include "lib/record/schema.h"
#include "lib/record/vars.h"
#include "lib/store/old.h"
#include "lib/store/vm.h"

#define LAYER_VERSION 1

/* What is asked for, while the plan is made. */
struct wish {
	const struct vm_json *stored;
	struct vm_json *customize, *instance; /* checked, expanded; or NULL */
	char customize_hex[VM_PLAN_DIGEST], instance_hex[VM_PLAN_DIGEST],
	    identity_hex[VM_PLAN_DIGEST];
	bool new_hand;
};

static void
release_wish(struct wish *wish)
{
	vm_json_free(wish->customize);
	vm_json_free(wish->instance);
}

/* Append copies of all elements of list (NULL: none). */
static int
append_all(struct vm_json *to, const struct vm_json *list, struct vm_error *err)
{
	for (size_t i = 0; i < vm_json_count(list); i++)
		if (vm_json_append(to, vm_json_copy(vm_json_at(list, i)),
			err) == -1)
			return -1;
	return 0;
}

/* Operations of the role, complete: checked, every file and key there. */
static struct vm_json *
take_ops(struct vm_store *store, const struct vm_json *ops, const char *name,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *checked = ops == NULL ?
	    vm_json_new_array() :
	    vm_schema_check_json(&vm_schema_operations, ops, name, true, err);

	if (checked == NULL || vm_caller_key_resolve(checked, err) == -1 ||
	    vm_ops_check(store, checked, err) == -1)
		return NULL;
	return VM_TAKE(checked);
}

/* instance: with this VM's values in place of variables. */
static struct vm_json *
expand_instance(struct vm_store *store, const struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_json *ops = vm_json_get(record, "spec.instance");
	const char *service = vm_json_string(record, "service", NULL);
	VM_CLEAN_JSON struct vm_json *roles = NULL;
	VM_CLEAN_JSON struct vm_json *expanded = NULL;

	if (ops == NULL)
		return vm_json_new_array();
	if (service != NULL &&
	    (roles = vm_vm_addresses(store, service, err)) == NULL)
		return NULL;
	const struct vm_vars vars = { .record = record, .roles = roles };
	expanded = vm_vars_expand(&vars, ops, err);
	if (expanded == NULL)
		return NULL;
	return take_ops(store, expanded, "spec.instance", err);
}

/* Are these the last ones that were applied by hand? */
static bool
is_applied_by_hand(const struct vm_json *applied, const struct vm_json *hand)
{
	size_t done = vm_json_count(applied), count = vm_json_count(hand);

	if (count > done)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!vm_json_is_equal(vm_json_at(applied, done - count + i),
			vm_json_at(hand, i)))
			return false;
	return true;
}

/*
 * The record as it will be: the store's facts, the input's role, and the
 * members that only the input has.
 */
static int
merge(struct vm_json *next, const struct vm_json *input, struct vm_error *err)
{
	static const char *const from_input[] = { "spec", "timing_ms",
		"drift" };

	for (size_t i = 0; i < sizeof from_input / sizeof from_input[0]; i++) {
		const struct vm_json *value = vm_json_member(input,
		    from_input[i]);

		if (value != NULL &&
		    vm_json_set_member(next, from_input[i], vm_json_copy(value),
			err) == -1)
			return -1;
	}
	for (void *it = vm_json_first(input); it != NULL;
	     it = vm_json_next(input, it))
		if (vm_json_member(next, vm_json_key(it)) == NULL &&
		    vm_json_set_member(next, vm_json_key(it),
			vm_json_copy(vm_json_value(it)), err) == -1)
			return -1;
	return 0;
}

static int
digest_identity(const struct vm_plan *plan, struct wish *wish,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *all = vm_identity_canonical(plan->record,
	    plan->set_hostname, err);
	struct vm_json *ops = vm_ops_canonical(wish->instance, err);

	if (all == NULL || vm_json_set(all, "instance", ops, err) == -1)
		return -1;
	return vm_drift_digest(all, wish->identity_hex, err);
}

/* SHA-256 over the base and everything that decides what the layer holds. */
static int
make_layer_key(struct vm_plan *plan, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *all = vm_json_new_object();
	struct vm_json *ops;

	if (vm_json_count(plan->layer_ops) == 0 || plan->is_raw)
		return 0;
	ops = vm_ops_canonical(plan->layer_ops, err);
	if (vm_json_set(all, "operations", ops, err) == -1 ||
	    vm_json_set_int(all, "layer", LAYER_VERSION, err) == -1 ||
	    vm_json_set_string(all, "base", plan->image_id, err) == -1)
		return -1;
	return vm_drift_digest(all, plan->layer_key, err);
}

static bool
is_applied(const struct wish *wish, const char *member, const char *hex)
{
	char path[32];

	snprintf(path, sizeof path, "applied.%s", member);
	return strcmp(vm_json_string(wish->stored, path, ""), hex) == 0;
}

/* A disk that has run, and is no fresh copy of another. */
static bool
is_settled(const struct vm_json *stored)
{
	return vm_json_bool(stored, "started", false) &&
	    (vm_json_get(stored, "copy_of") == NULL ||
		vm_json_get(stored, "applied.identity") != NULL);
}

static void
decide(struct vm_plan *plan, const struct wish *wish)
{
	if (is_settled(wish->stored)) {
		plan->action = wish->new_hand ? VM_PLAN_IN_PLACE : VM_PLAN_PASS;
	} else if (vm_json_bool(wish->stored, "started", false)) {
		plan->with_identity = true;
		plan->action = VM_PLAN_IN_PLACE;
	} else if (wish->new_hand ||
	    !is_applied(wish, "customize", wish->customize_hex) ||
	    !is_applied(wish, "instance", wish->instance_hex) ||
	    !is_applied(wish, "identity", wish->identity_hex)) {
		plan->with_identity = true;
		plan->action = VM_PLAN_REBUILD;
	}
}

/* Which operations go where. */
static int
share_out(struct vm_plan *plan, const struct wish *wish,
    const struct vm_json *hand, struct vm_error *err)
{
	const struct vm_json *before = vm_json_get(wish->stored,
	    "applied.operations");

	plan->layer_ops = vm_json_new_array();
	plan->clone_ops = vm_json_new_array();
	if (plan->layer_ops == NULL || plan->clone_ops == NULL)
		return vm_error_nomem(err);
	if (plan->action == VM_PLAN_REBUILD &&
	    (append_all(plan->layer_ops, wish->customize, err) == -1 ||
		append_all(plan->layer_ops, before, err) == -1 ||
		(wish->new_hand &&
		    append_all(plan->layer_ops, hand, err) == -1)))
		return -1;
	if (plan->with_identity &&
	    append_all(plan->clone_ops, wish->instance, err) == -1)
		return -1;
	if (plan->action == VM_PLAN_IN_PLACE && wish->new_hand &&
	    append_all(plan->clone_ops, hand, err) == -1)
		return -1;
	return make_layer_key(plan, err);
}

/* What the record will say was applied. */
static int
set_applied(struct vm_plan *plan, const struct wish *wish,
    const struct vm_json *hand, struct vm_error *err)
{
	struct vm_json *record = plan->record;

	if (plan->action == VM_PLAN_REBUILD &&
	    (vm_json_set_string(record, "applied.customize",
		 wish->customize_hex, err) == -1))
		return -1;
	if (plan->with_identity &&
	    (vm_json_set_string(record, "applied.instance", wish->instance_hex,
		 err) == -1 ||
		vm_json_set_string(record, "applied.identity",
		    wish->identity_hex, err) == -1))
		return -1;
	if (plan->action == VM_PLAN_REBUILD) {
		vm_json_delete(record, "layer");
		if (plan->layer_key[0] != '\0' &&
		    vm_json_set_string(record, "layer", plan->layer_key, err) ==
			-1)
			return -1;
	}
	if (!wish->new_hand)
		return 0;
	if (vm_json_get(record, "applied.operations") == NULL &&
	    vm_json_set(record, "applied.operations", vm_json_new_array(),
		err) == -1)
		return -1;
	return append_all(vm_json_get(record, "applied.operations"), hand, err);
}

/* Everything asked for, and its digests. */
static int
read_wish(struct vm_store *store, const struct vm_json *hand,
    struct vm_plan *plan, struct wish *wish, struct vm_error *err)
{
	const struct vm_json *customize = vm_json_get(plan->record,
	    "spec.customize");
	const struct vm_json *before = vm_json_get(wish->stored,
	    "applied.operations");

	wish->new_hand = vm_json_count(hand) > 0 &&
	    !is_applied_by_hand(before, hand);
	if (is_settled(wish->stored))
		return 0; /* it is not asked what its role says now */
	wish->customize = take_ops(store, customize, "spec.customize", err);
	if (wish->customize == NULL)
		return -1;
	wish->instance = expand_instance(store, plan->record, err);
	if (wish->instance == NULL)
		return -1;
	plan->set_hostname = ((vm_ops_flags(wish->customize) |
				  vm_ops_flags(wish->instance) |
				  vm_ops_flags(before) | vm_ops_flags(hand)) &
				 VM_OP_HOSTNAME) == 0;
	if (vm_drift_digest(customize, wish->customize_hex, err) == -1 ||
	    vm_drift_digest(vm_json_get(plan->record, "spec.instance"),
		wish->instance_hex, err) == -1)
		return -1;
	return digest_identity(plan, wish, err);
}

struct vm_json *
vm_plan_load(struct vm_store *store, const struct vm_plan *plan,
    bool with_private, struct vm_error *err)
{
	if (plan->dir == VM_STORE_OLD)
		return vm_old_load(store, plan->object, with_private, err);
	return vm_vm_load(store, plan->object, with_private, err);
}

/* Where is it? */
static int
find_object(struct vm_store *store, const char *name, bool next,
    struct vm_plan *plan, struct vm_error *err)
{
	VM_CLEAN_FREE char *found = next ? vm_old_find_next(store, name, err) :
					   vm_buf_printf(err, "%s", name);

	if (found == NULL)
		return -1;
	plan->dir = next ? VM_STORE_OLD : VM_STORE_VMS;
	if ((size_t)snprintf(plan->object, sizeof plan->object, "%s", found) >=
	    sizeof plan->object)
		return vm_record_check_name(name, err);
	return 0;
}

int
vm_plan_make(struct vm_store *store, const struct vm_json *record,
    const struct vm_json *hand, bool next, struct vm_plan *plan,
    struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	VM_CLEAN_JSON struct vm_json *stored = NULL;
	VM_CLEAN(release_wish) struct wish wish = { 0 };

	memset(plan, 0, sizeof *plan);
	if (find_object(store, name, next, plan, err) == -1)
		return -1;
	wish.stored = stored = vm_plan_load(store, plan, true, err);
	if (stored == NULL || vm_vm_check_facts(stored, record, err) == -1)
		return -1;
	snprintf(plan->image_id, sizeof plan->image_id, "%s",
	    vm_json_string(stored, "image.id", ""));
	plan->is_raw = strcmp(vm_json_string(stored, "disks.0.format", ""),
			   "raw") == 0;
	plan->record = vm_json_copy(stored);
	if (plan->record == NULL)
		return vm_error_nomem(err);
	if (merge(plan->record, record, err) == -1)
		return -1;
	if (read_wish(store, hand, plan, &wish, err) == -1)
		return -1;
	decide(plan, &wish);
	if (plan->action == VM_PLAN_PASS)
		return 0;
	if (plan->action == VM_PLAN_REBUILD && !next &&
	    vm_vm_check_rebuild(store, stored, err) == -1)
		return -1;
	if (share_out(plan, &wish, hand, err) == -1)
		return -1;
	return set_applied(plan, &wish, hand, err);
}

/* Is the word among the drift already? */
static bool
has_word(const struct vm_json *drift, const char *word)
{
	for (size_t i = 0; i < vm_json_count(drift); i++) {
		const char *text = vm_json_text(vm_json_at(drift, i));

		if (text != NULL && strcmp(text, word) == 0)
			return true;
	}
	return false;
}

int
vm_plan_note_drift(struct vm_plan *plan, struct vm_error *err)
{
	static const char *const words[] = { "customize", "instance" };
	struct vm_json *record = plan->record;
	VM_CLEAN_JSON struct vm_json *found = vm_drift_between(record,
	    vm_json_get(record, "spec"), NULL, err);

	if (found == NULL)
		return -1;
	if (vm_json_get(record, "drift") == NULL &&
	    vm_json_set(record, "drift", vm_json_new_array(), err) == -1)
		return -1;
	struct vm_json *drift = vm_json_get(record, "drift");
	for (size_t i = 0; i < 2; i++)
		if (has_word(found, words[i]) && !has_word(drift, words[i]) &&
		    vm_json_append(drift, vm_json_new_string(words[i]), err) ==
			-1)
			return -1;
	return 0;
}

static int
describe_ops(const char *title, const struct vm_json *ops, struct vm_buf *out,
    struct vm_error *err)
{
	if (vm_json_count(ops) == 0)
		return 0;
	if (vm_buf_format(out, err, "%s%s", out->len == 0 ? "" : "; ", title) ==
	    -1)
		return -1;
	for (size_t i = 0; i < vm_json_count(ops); i++)
		if (vm_buf_add_string(out, i == 0 ? " " : ", ", err) == -1 ||
		    vm_ops_describe(vm_json_at(ops, i), out, err) == -1)
			return -1;
	return 0;
}

int
vm_plan_describe(const struct vm_plan *plan, struct vm_buf *out,
    struct vm_error *err)
{
	if (plan->action == VM_PLAN_PASS)
		return vm_buf_add_string(out, "would be left as it is", err);
	if (vm_buf_add_string(out,
		plan->action == VM_PLAN_REBUILD ? "would be built again" :
						  "would be changed in place",
		err) == -1)
		return -1;
	if (plan->layer_key[0] != '\0' &&
	    vm_buf_format(out, err, "; layer %.12s", plan->layer_key) == -1)
		return -1;
	if (describe_ops(plan->is_raw ? "its own:" : "shared:", plan->layer_ops,
		out, err) == -1 ||
	    (plan->with_identity &&
		vm_buf_add_string(out, "; identity", err) == -1))
		return -1;
	return describe_ops("its own:", plan->clone_ops, out, err);
}

void
vm_plan_release(struct vm_plan *plan)
{
	vm_json_free(plan->record);
	vm_json_free(plan->layer_ops);
	vm_json_free(plan->clone_ops);
	memset(plan, 0, sizeof *plan);
}
