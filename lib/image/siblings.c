#include "lib/image/siblings.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/image/facts.h"
#include "lib/store/alias.h"
#include "lib/store/image.h"
#include "lib/store/use.h"

/* The disks, if these facts are of the first one of several; else NULL. */
static const struct vm_json *
disks_of_first(const struct vm_json *facts)
{
	return vm_json_int(facts, "disk", 0) == 1 ?
	    vm_json_get(facts, "disks") :
	    NULL;
}

static const char *
id_of(const struct vm_json *disks, size_t i)
{
	return vm_json_string(vm_json_at(disks, i), "id", "");
}

bool
vm_siblings_are_there(struct vm_store *store, const struct vm_json *facts)
{
	const struct vm_json *disks = vm_json_get(facts, "disks");

	for (size_t i = 0; i < vm_json_count(disks); i++) {
		struct vm_json *other VM_CLEAN_JSON = vm_image_load(store,
		    id_of(disks, i), NULL);

		if (other == NULL)
			return false;
	}
	return true;
}

bool
vm_siblings_is_source(const char *source)
{
	unsigned disk;

	(void)vm_alias_artifact(source, &disk);
	return disk > 1;
}

/* May this name become, or go on being, that of an artifact's disk? */
static int
check_name(struct vm_store *store, const char *name, unsigned number,
    struct vm_error *err)
{
	struct vm_json *old VM_CLEAN_JSON = NULL;
	const char *source;
	unsigned disk;

	if (vm_alias_check_name(name, err) == -1)
		return -1;
	old = vm_alias_load(store, name, NULL);
	source = vm_json_string(old, "source", "");
	(void)vm_alias_artifact(source, &disk);
	if (old == NULL || disk == number)
		return 0;
	vm_error_set(err, VM_E_EXISTS, "alias_taken",
	    "alias %s, wanted for disk %u, stands for %s", name, number,
	    source);
	return vm_error_hint(err, "vmfetch -a NAME with a name of its own");
}

static int
follow(struct vm_store *store, const char *id, const char *name,
    const char *source, struct vm_error *err)
{
	struct vm_alias alias;

	if (vm_alias_resolve(store, name, &alias, NULL) == 0 &&
	    strcmp(alias.id, id) == 0)
		return 0;
	if (vm_alias_set(store, name, id, source, &alias, err) == -1)
		return -1;
	vm_log(VM_LOG_WARN,
	    "%s is in the store as %s; a VM has one disk, the first", source,
	    name);
	return 0;
}

/* Look whether disk i can have its alias, or let it have it. */
static int
name_disk(struct vm_store *store, const struct vm_json *disks, size_t i,
    const char *alias, const char *source, bool look, struct vm_error *err)
{
	char *name VM_CLEAN_FREE = vm_facts_alias(alias, i + 1, err);
	char *from VM_CLEAN_FREE = vm_buf_printf(err, "disk %zu of %s", i + 1,
	    source);

	if (name == NULL || from == NULL)
		return -1;
	return look ? check_name(store, name, (unsigned)i + 1, err) :
		      follow(store, id_of(disks, i), name, from, err);
}

int
vm_siblings_follow(struct vm_store *store, const struct vm_json *facts,
    const char *alias, const char *source, struct vm_error *err)
{
	const struct vm_json *disks = disks_of_first(facts);

	for (int look = 1; look >= 0; look--)
		for (size_t i = 1; i < vm_json_count(disks); i++)
			if (name_disk(store, disks, i, alias, source, look,
				err) == -1)
				return -1;
	return 0;
}

void
vm_siblings_note_use(struct vm_store *store, const struct vm_json *facts)
{
	const struct vm_json *disks = disks_of_first(facts);

	for (size_t i = 1; i < vm_json_count(disks); i++)
		vm_use_note(store, VM_STORE_IMAGES, id_of(disks, i));
}

int
vm_siblings_pin(struct vm_store *store, const struct vm_json *facts,
    const struct vm_pin_change *change, struct vm_error *err)
{
	const struct vm_json *disks = disks_of_first(facts);

	for (size_t i = 1; i < vm_json_count(disks); i++)
		if (vm_pin_change(store, id_of(disks, i), change, err) == -1)
			return -1;
	return 0;
}

/* {"id","alias"?,"virtual_size"} of disk i, the caller's. */
static struct vm_json *
describe(struct vm_store *store, const struct vm_json *disks, size_t i,
    const char *alias, struct vm_error *err)
{
	struct vm_json *made VM_CLEAN_JSON = vm_json_new_object();
	char *name VM_CLEAN_FREE = vm_facts_alias(alias, i + 1, err);
	struct vm_alias is;

	if (made == NULL || name == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (vm_json_set_string(made, "id", id_of(disks, i), err) == -1 ||
	    vm_json_set_int(made, "virtual_size",
		vm_json_int(vm_json_at(disks, i), "virtual_size", 0),
		err) == -1)
		return NULL;
	if (alias[0] != '\0' && vm_alias_resolve(store, name, &is, NULL) == 0 &&
	    strcmp(is.id, id_of(disks, i)) == 0 &&
	    vm_json_set_string(made, "alias", name, err) == -1)
		return NULL;
	return VM_TAKE(made);
}

int
vm_siblings_describe(struct vm_store *store, const struct vm_json *facts,
    const char *alias, struct vm_json *record, struct vm_error *err)
{
	const struct vm_json *disks = disks_of_first(facts);
	struct vm_json *list;

	if (disks == NULL)
		return 0;
	list = vm_json_new_array();
	if (vm_json_set(record, "image.disks", list, err) == -1)
		return -1;
	for (size_t i = 0; i < vm_json_count(disks); i++) {
		struct vm_json *made = describe(store, disks, i, alias, err);

		if (made == NULL || vm_json_append(list, made, err) == -1)
			return -1;
	}
	return 0;
}
