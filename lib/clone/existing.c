#include "lib/clone/existing.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/clone/mode.h"
#include "lib/record/drift.h"
#include "lib/record/uuid.h"
#include "lib/store/volume.h"

static bool
is_same_text(const struct vm_json *a, const struct vm_json *b, const char *path)
{
	return strcmp(vm_json_string(a, path, ""),
		   vm_json_string(b, path, "")) == 0;
}

static int
check_owner(const struct vm_json *stored, const struct vm_json *wanted,
    struct vm_error *err)
{
	const char *name = vm_json_string(wanted, "name", "");

	if (is_same_text(stored, wanted, "service") &&
	    is_same_text(stored, wanted, "role") &&
	    (vm_json_get(wanted, "service") != NULL ||
		is_same_text(stored, wanted, "image.alias") ||
		is_same_text(stored, wanted, "image.id")))
		return 0;
	if (vm_json_get(stored, "service") != NULL)
		vm_error_set(err, VM_E_EXISTS, "name_taken",
		    "the name belongs to service %s, role %s",
		    vm_json_string(stored, "service", ""),
		    vm_json_string(stored, "role", ""));
	else
		vm_error_set(err, VM_E_EXISTS, "name_taken",
		    "the name belongs to a VM made by hand from %s",
		    vm_json_string(stored, "image.alias", "another image"));
	return vm_error_hint(err, "vmrm %s", name);
}

/* A VM that is no copy of that one, or not any more, is not taken for one. */
static int
check_copy(const struct vm_json *stored, const struct vm_json *wanted,
    struct vm_error *err)
{
	const char *from = vm_json_string(wanted, "copy_of", NULL);

	if (from == NULL || is_same_text(stored, wanted, "copy_of"))
		return 0;
	vm_error_set(err, VM_E_EXISTS, "name_taken",
	    "it is there, and no copy of %s", from);
	return vm_error_hint(err, "vmrm %s",
	    vm_json_string(wanted, "name", ""));
}

static bool
has_word(const struct vm_json *drift, const char *word)
{
	size_t i;

	for (i = 0; i < vm_json_count(drift); i++) {
		if (strcmp(vm_json_text(vm_json_at(drift, i)), word) == 0)
			return true;
	}
	return false;
}

/* The new role, and members that the stored record does not have. */
static int
take_wanted(struct vm_json *stored, const struct vm_json *wanted,
    struct vm_error *err)
{
	void *it;

	if (vm_json_set(stored, "spec",
		vm_json_copy(vm_json_get(wanted, "spec")), err) == -1)
		return -1;
	for (it = vm_json_first(wanted); it != NULL;
	     it = vm_json_next(wanted, it)) {
		if (vm_json_member(stored, vm_json_key(it)) == NULL &&
		    vm_json_set_member(stored, vm_json_key(it),
			vm_json_copy(vm_json_value(it)), err) == -1)
			return -1;
	}
	return 0;
}

/* Something that is no VM of ours is in its place: it is left alone. */
static void
refuse_strange(const struct vm_json *wanted, struct vm_error *err)
{
	if (err == NULL || strcmp(err->code, "vm_damaged") != 0)
		return;
	err->kind = VM_E_EXISTS;
	snprintf(err->code, sizeof(err->code), "name_taken");
	vm_error_wrap(err, "something else is in its place");
	vm_error_hint(err, "vmdoctor %s", vm_json_string(wanted, "name", ""));
}

/* A word more, unless it is there. */
static int
add_word(struct vm_json *drift, const char *word, struct vm_error *err)
{
	return has_word(drift, word) ?
	    0 :
	    vm_json_append(drift, vm_json_new_string(word), err);
}

struct vm_json *
vm_existing_compare(struct vm_store *store,
    const struct vm_clone_options *options, const struct vm_json *wanted,
    bool *rebuild, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *stored = vm_vm_load(store,
	    vm_json_string(wanted, "name", ""), false, err);
	struct vm_json *drift;

	if (stored == NULL) {
		refuse_strange(wanted, err);
		return NULL;
	}
	if (check_owner(stored, wanted, err) == -1 ||
	    check_copy(stored, wanted, err) == -1)
		return NULL;
	drift = vm_drift_between(stored, vm_json_get(wanted, "spec"),
	    vm_json_string(wanted, "image.id", NULL), err);
	if (drift == NULL)
		return NULL;
	if (vm_json_set(stored, "drift", drift, err) == -1 ||
	    (vm_mode_differs(options, stored, wanted) &&
		add_word(drift, "disk", err) == -1) ||
	    (vm_json_bool(wanted, "ephemeral", false) &&
		!vm_json_bool(stored, "ephemeral", false) &&
		add_word(drift, "machine", err) == -1))
		return NULL;
	*rebuild = !vm_json_bool(stored, "started", false) &&
	    (has_word(drift, "image") || has_word(drift, "disk") ||
		has_word(drift, "machine"));
	if (*rebuild && vm_vm_check_rebuild(store, stored, err) == -1)
		return NULL;
	if (take_wanted(stored, wanted, err) == -1)
		return NULL;
	return VM_TAKE(stored);
}

int
vm_existing_grow(struct vm_store *store, const struct vm_json *stored,
    const struct vm_json *wanted, struct vm_error *err)
{
	const char *name = vm_json_string(stored, "name", "");
	const struct vm_json *volumes = vm_json_get(wanted, "spec.volumes");
	VM_CLEAN_JSON struct vm_json *now = NULL;
	VM_CLEAN_FD int lock_fd = -1;
	struct vm_error busy = { 0 };
	bool changed;

	if (!vm_volume_is_to_grow(store, stored, volumes))
		return 0;
	lock_fd = vm_vm_lock(store, name, VM_LOCK_NO_WAIT, &busy);
	if (lock_fd == -1 && busy.kind == VM_E_TRY_AGAIN)
		return 0;
	if (lock_fd == -1) {
		*err = busy;
		return -1;
	}
	now = vm_vm_load(store, name, false, err);
	if (now == NULL ||
	    vm_json_set(now, "spec.volumes", vm_json_copy(volumes), err) ==
		-1 ||
	    vm_volume_grow_all(store, now, false, &changed, err) == -1)
		return -1;
	if (!changed)
		return 0;
	return vm_vm_save(store, now, err) == -1 ? -1 : 1;
}

/* What was done by hand is done again: vmcustomize goes by the record. */
static int
keep_operations(const struct vm_json *stored, struct vm_json *wanted,
    struct vm_error *err)
{
	const struct vm_json *ops = vm_json_get(stored, "applied.operations");

	if (vm_json_count(ops) == 0)
		return 0;
	vm_log(VM_LOG_WARN,
	    "%s: its disk is made anew, without what was applied by hand; run: "
	    "vmcustomize %s",
	    vm_json_string(stored, "name", ""),
	    vm_json_string(stored, "name", ""));
	return vm_json_set(wanted, "applied.operations", vm_json_copy(ops),
	    err);
}

/* One that is lost must not be made anew, empty, in its place. */
static int
check_volumes(struct vm_store *store, const struct vm_json *stored,
    struct vm_error *err)
{
	VM_CLEAN_FD int dir_fd = vm_store_open_object(store, VM_STORE_VMS,
	    vm_json_string(stored, "name", ""), err);

	return dir_fd == -1 ? -1 :
			      vm_volume_check_all(store, stored, dir_fd, err);
}

int
vm_existing_keep(struct vm_store *store, const struct vm_clone_options *options,
    struct vm_json *wanted, struct vm_error *err)
{
	static const char *const kept[] = { "identity", "private", "index",
		"ephemeral" };
	VM_CLEAN_JSON struct vm_json *stored = vm_vm_load(store,
	    vm_json_string(wanted, "name", ""), true, err);
	size_t i;

	if (stored == NULL)
		return -1;
	if (vm_json_bool(stored, "started", false))
		return vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
		    "it was started just now");
	if (vm_vm_check_rebuild(store, stored, err) == -1)
		return -1;
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const struct vm_json *value = vm_json_get(stored, kept[i]);

		if (value != NULL &&
		    vm_json_set(wanted, kept[i], vm_json_copy(value), err) ==
			-1)
			return -1;
	}
	if (check_volumes(store, stored, err) == -1 ||
	    keep_operations(stored, wanted, err) == -1)
		return -1;
	/* another disk under the same identity: to its guest, another past */
	if (vm_uuid_renew_generation(wanted, err) == -1)
		return -1;
	return vm_mode_keep(options, stored, wanted, err);
}
