#include "lib/clone/renew.h"

#include <string.h>

#include "lib/base/log.h"
#include "lib/clone/build.h"
#include "lib/clone/identity.h"
#include "lib/clone/network.h"
#include "lib/record/drift.h"
#include "lib/record/manifest.h"
#include "lib/store/further.h"
#include "lib/store/old.h"
#include "lib/store/vm.h"
#include "lib/store/volume.h"

/* "debian-12@3", or the beginning of the image's id. */
static char *
name_image(const struct vm_json *record, struct vm_error *err)
{
	const char *alias = vm_json_string(record, "image.alias", NULL);

	if (alias == NULL)
		return vm_buf_printf(err, "%.12s",
		    vm_json_string(record, "image.id", ""));
	return vm_buf_printf(err, "%s@%lld", alias,
	    (long long)vm_json_int(record, "image.generation", 0));
}

/* --- which image -----------------------------------------------------------*/

/* The image that it shall stand on goes into next. */
static int
choose_image(struct vm_store *store, const char *to, struct vm_json *next,
    struct vm_error *err)
{
	const char *own = vm_json_string(next, "image.alias", NULL);
	struct vm_alias alias = { 0 };

	if (to == NULL && own == NULL)
		return 0; /* nobody knows of a newer one */
	if (vm_alias_resolve(store, to != NULL ? to : own, &alias, err) == -1)
		return -1;
	if (alias.name[0] == '\0') {
		vm_json_delete(next, "image.alias");
		vm_json_delete(next, "image.generation");
		return vm_json_set_string(next, "image.id", alias.id, err);
	}
	/* made by hand, its role says nothing but the alias */
	if (own != NULL && vm_json_get(next, "service") == NULL &&
	    strcmp(vm_json_string(next, "spec.image.source", ""), own) == 0 &&
	    vm_json_set_string(next, "spec.image.source", alias.name, err) ==
		-1)
		return -1;
	if (vm_json_set_string(next, "image.id", alias.id, err) == -1 ||
	    vm_json_set_string(next, "image.alias", alias.name, err) == -1)
		return -1;
	return vm_json_set_int(next, "image.generation", alias.generation, err);
}

/* Words that only another disk can settle. */
static bool
is_due(const struct vm_json *drift)
{
	static const char *const words[] = { "image", "customize", "instance" };

	for (size_t i = 0; i < vm_json_count(drift); i++)
		for (size_t n = 0; n < sizeof(words) / sizeof(words[0]); n++)
			if (strcmp(vm_json_text(vm_json_at(drift, i)),
				words[n]) == 0)
				return true;
	return false;
}

/* --- the next record -------------------------------------------------------*/

/* The role that is asked for, and what only the input has. */
static int
take_wishes(struct vm_json *next, const struct vm_json *input,
    struct vm_error *err)
{
	const struct vm_json *spec = vm_json_member(input, "spec");

	if (spec != NULL &&
	    vm_json_set(next, "spec", vm_json_copy(spec), err) == -1)
		return -1;
	return vm_manifest_check_role(vm_json_get(next, "spec"), err);
}

/* What is said of the disk that is there holds no longer. */
static int
forget_disk(struct vm_json *next, struct vm_error *err)
{
	static const char *const gone[] = { "started", "layer", "copy_of",
		"applied.customize", "applied.instance", "applied.identity",
		"run.pid", "stopped_by", "timing_ms", "warnings", "error",
		"planned", "snapshot", "upgrade" };

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		vm_json_delete(next, gone[i]);
	if (vm_json_count(vm_json_get(next, "applied.operations")) == 0)
		vm_json_delete(next, "applied");
	if (vm_json_set(next, "drift", vm_json_new_array(), err) == -1)
		return -1;
	return vm_json_set_string(next, "state", "cloned", err);
}

/* A role that names no host name has the VM's own again. */
static int
renew_identity(struct vm_json *next, struct vm_error *err)
{
	if (vm_json_set_string(next, "identity.hostname",
		vm_json_string(next, "name", ""), err) == -1)
		return -1;
	return vm_identity_reseed(next, err);
}

int
vm_renew_plan(struct vm_renew *renew, const struct vm_json *input,
    const char *to, struct vm_error *err)
{
	struct vm_store *store = renew->store;
	VM_CLEAN_JSON struct vm_json *drift = NULL;
	struct vm_json *next;
	uint64_t size_bytes;

	renew->stored = vm_vm_load(store, vm_json_string(input, "name", ""),
	    true, err);
	if (renew->stored == NULL ||
	    vm_vm_check_facts(renew->stored, input, err) == -1)
		return -1;
	renew->next = next = vm_json_copy(renew->stored);
	if (next == NULL)
		return vm_error_nomem(err);
	if (take_wishes(next, input, err) == -1 ||
	    choose_image(store, to, next, err) == -1)
		return -1;
	drift = vm_drift_between(renew->stored, vm_json_get(next, "spec"),
	    vm_json_string(next, "image.id", NULL), err);
	if (drift == NULL)
		return -1;
	renew->is_due = is_due(drift);
	if (forget_disk(next, err) == -1 || renew_identity(next, err) == -1 ||
	    vm_source_open(store, next, &renew->source, err) == -1 ||
	    vm_build_disk_size(next, &renew->source, &size_bytes, err) == -1)
		return -1;
	return vm_json_set_int(next, "image.virtual_size",
	    (int64_t)renew->source.chain.virtual_size, err);
}

/* --- what is said of it ----------------------------------------------------*/

/* "; TITLE install, write": the operations' names. */
static int
list_operations(const char *title, const struct vm_json *ops,
    struct vm_buf *out, struct vm_error *err)
{
	for (size_t i = 0; i < vm_json_count(ops); i++) {
		void *it = vm_json_first(vm_json_at(ops, i));

		if (vm_buf_format(out, err, "%s%s%s", i == 0 ? "; " : ", ",
			i == 0 ? title : "",
			it == NULL ? "?" : vm_json_key(it)) == -1)
			return -1;
	}
	return 0;
}

int
vm_renew_describe(const struct vm_renew *renew, struct vm_buf *out,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *from = name_image(renew->stored, err);
	VM_CLEAN_FREE char *to = from == NULL ? NULL :
						name_image(renew->next, err);

	if (to == NULL || vm_buf_format(out, err, "%s to %s", from, to) == -1 ||
	    list_operations("customize: ",
		vm_json_get(renew->next, "spec.customize"), out, err) == -1 ||
	    list_operations("instance: ",
		vm_json_get(renew->next, "spec.instance"), out, err) == -1)
		return -1;
	return list_operations("by hand: ",
	    vm_json_get(renew->next, "applied.operations"), out, err);
}

/* --- building --------------------------------------------------------------*/

static int
set_upgrade(struct vm_renew *renew, struct vm_error *err)
{
	VM_CLEAN_FREE char *from = name_image(renew->stored, err);

	return from == NULL ?
	    -1 :
	    vm_json_set_string(renew->next, "upgrade.from", from, err);
}

/* New addresses are its own once it is exchanged; until then nobody's. */
static int
set_cards(struct vm_renew *renew, struct vm_error *err)
{
	const struct vm_json *old = vm_json_get(renew->stored, "identity.nics");
	struct vm_json *nics;

	renew->ledger = vm_ledger_new(renew->store, err);
	if (renew->ledger == NULL ||
	    vm_network_want(renew->ledger, renew->next, err) == -1 ||
	    vm_ledger_open(renew->ledger, err) == -1)
		return -1;
	nics = vm_network_assign(renew->ledger, renew->next, old, err);
	if (nics == NULL ||
	    vm_json_set(renew->next, "identity.nics", nics, err) == -1)
		return -1;
	if (!vm_json_is_equal(old, vm_json_get(renew->next, "identity.nics")))
		return 0;
	vm_ledger_free(renew->ledger);
	renew->ledger = NULL;
	return 0;
}

/* Does the role still ask for this data disk? */
static bool
is_kept(const struct vm_json *record, const struct vm_json *disk)
{
	const struct vm_json *wanted = vm_json_get(record, "spec.disks");
	const char *name = vm_json_string(disk, "name", "");

	if (vm_json_get(disk, "volume") != NULL)
		return false;
	for (size_t i = 0; i < vm_json_count(wanted); i++)
		if (strcmp(vm_json_string(vm_json_at(wanted, i), "name", ""),
			name) == 0)
			return true;
	return false;
}

/*
 * Data disks that are there stay, in the old directory and in the new one; so
 * do volumes, which are taken again like those that are new.
 */
static int
add_disks(struct vm_renew *renew, int old, struct vm_publish *publish,
    struct vm_error *err)
{
	const struct vm_json *had = vm_json_get(renew->stored, "disks");
	struct vm_json *kept = vm_json_new_array();

	for (size_t i = 0; i < vm_json_count(had); i++)
		if ((i == 0 || is_kept(renew->next, vm_json_at(had, i))) &&
		    vm_json_append(kept, vm_json_copy(vm_json_at(had, i)),
			err) == -1) {
			vm_json_free(kept);
			return -1;
		}
	if (vm_json_set(renew->next, "disks", kept, err) == -1 ||
	    vm_further_link(publish, renew->next, old, err) == -1)
		return -1;
	return vm_disks_add(&renew->source, renew->next, publish, &renew->disks,
	    err);
}

int
vm_renew_build(struct vm_renew *renew, struct vm_error *err)
{
	const char *name = vm_json_string(renew->next, "name", "");
	VM_CLEAN_FD int old = vm_store_open_object(renew->store, VM_STORE_VMS,
	    name, err);
	VM_CLEAN_PUBLISH struct vm_publish publish = { .store = NULL };

	/* or an empty one would be made in the place of one that is lost */
	if (old == -1 ||
	    vm_volume_check_all(renew->store, renew->stored, old, err) == -1 ||
	    set_upgrade(renew, err) == -1 || set_cards(renew, err) == -1 ||
	    vm_publish_begin(renew->store, &publish, err) == -1 ||
	    add_disks(renew, old, &publish, err) == -1 ||
	    vm_build_clone(&renew->source, renew->next, true, old, &publish,
		err) == -1)
		return -1;
	renew->object = vm_old_add(renew->store, &publish, name, err);
	return renew->object == NULL ? -1 : 0;
}

/* --- the exchange ----------------------------------------------------------*/

/* Somebody may have changed the VM while its next directory was made. */
static int
check_same(const struct vm_renew *renew, const struct vm_json *now,
    struct vm_error *err)
{
	static const char *const members[] = { "image", "applied", "disks",
		"spec", "identity" };

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const struct vm_json *was = vm_json_get(renew->stored,
		    members[i]);
		const struct vm_json *is = vm_json_get(now, members[i]);

		if (is != was && !vm_json_is_equal(is, was))
			return vm_error_set(err, VM_E_TRY_AGAIN, "raced",
			    "changed by another command just now (%s)",
			    members[i]);
	}
	return 0;
}

/* What is known since the VM was started last: its ports stay the same. */
static int
take_run(struct vm_json *next, const struct vm_json *now, bool running,
    struct vm_error *err)
{
	static const char *const members[] = { "run", "ssh" };

	for (size_t i = 0; i < 2; i++) {
		const struct vm_json *value = vm_json_get(now, members[i]);

		if (value == NULL)
			vm_json_delete(next, members[i]);
		else if (vm_json_set(next, members[i], vm_json_copy(value),
			     err) == -1)
			return -1;
	}
	vm_json_delete(next, "run.pid");
	return vm_json_set_bool(next, "upgrade.running", running, err);
}

int
vm_renew_exchange(struct vm_renew *renew, bool running, struct vm_error *err)
{
	struct vm_store *store = renew->store;
	const char *name = vm_json_string(renew->stored, "name", "");
	VM_CLEAN_FD int lock = vm_old_lock_next(store, name, VM_LOCK_NO_WAIT,
	    err);
	VM_CLEAN_JSON struct vm_json *now = NULL, *next = NULL;
	struct vm_error ungrown = { 0 };

	if (lock == -1)
		return -1;
	now = vm_vm_load(store, name, true, err);
	if (now == NULL || check_same(renew, now, err) == -1)
		return -1;
	next = vm_old_load(store, renew->object, true, err);
	if (next == NULL || take_run(next, now, running, err) == -1 ||
	    vm_old_save(store, renew->object, next, err) == -1 ||
	    vm_old_exchange(store, name, renew->object, err) == -1)
		return -1;
	/* the addresses are its own now: others need not wait for its start */
	vm_ledger_free(renew->ledger);
	renew->ledger = NULL;
	/* a volume can be grown again, and is no reason to go back */
	if (vm_disks_settle(store, &renew->disks, next, &ungrown) == -1)
		vm_log(VM_LOG_WARN, "%s: %s", name, ungrown.message);
	return 0;
}

void
vm_renew_discard(struct vm_renew *renew)
{
	struct vm_error err = { 0 };

	if (renew->object != NULL &&
	    vm_old_remove(renew->store, renew->object, &err) == -1)
		vm_log(VM_LOG_INFO, "%s: left behind: %s", renew->object,
		    err.message);
	vm_disks_release(renew->store, &renew->disks);
}

void
vm_renew_release(struct vm_renew *renew)
{
	vm_json_free(renew->stored);
	vm_json_free(renew->next);
	vm_source_close(&renew->source);
	vm_disks_release(renew->store, &renew->disks);
	vm_ledger_free(renew->ledger);
	free(renew->object);
	*renew = (struct vm_renew)VM_RENEW_EMPTY(renew->store);
}
