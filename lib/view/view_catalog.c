#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/store/alias.h"
#include "lib/view/view_catalog.h"

/* Of two aliases for one image the one that means it now is the better name. */
static int
add_generation(struct vm_view_catalog *catalog, const char *alias,
    long long number, long long current, const struct vm_json *generation,
    struct vm_error *err)
{
	const char *id = vm_json_string(generation, "id", NULL);
	VM_CLEAN_JSON struct vm_json *entry = NULL;
	const struct vm_json *known;

	if (id == NULL)
		return 0;
	known = vm_json_member(catalog->images, id);
	if (known != NULL &&
	    (number != current || vm_json_bool(known, "current", false)))
		return 0;
	entry = vm_json_new_object();
	if (entry == NULL)
		return vm_error_nomem(err);
	if (vm_json_set_string(entry, "alias", alias, err) == -1 ||
	    vm_json_set_int(entry, "generation", number, err) == -1 ||
	    vm_json_set_bool(entry, "current", number == current, err) == -1)
		return -1;
	return vm_json_set_member(catalog->images, id, VM_TAKE(entry), err);
}

static int
add_alias(struct vm_view_catalog *catalog, const char *name,
    const struct vm_json *alias, struct vm_error *err)
{
	const struct vm_json *generations = vm_json_get(alias, "generations");
	long long current = vm_json_int(alias, "current", 0);
	void *it = vm_json_first(generations);

	for (; it != NULL; it = vm_json_next(generations, it)) {
		long long number = strtoll(vm_json_key(it), NULL, 10);
		const struct vm_json *generation = vm_json_value(it);
		const char *id = vm_json_string(generation, "id", NULL);

		if (number == current && id != NULL &&
		    vm_json_set_member(catalog->current, name,
			vm_json_new_string(id), err) == -1)
			return -1;
		if (add_generation(catalog, name, number, current, generation,
			err) == -1)
			return -1;
	}
	return 0;
}

int
vm_view_catalog_load(struct vm_store *store, struct vm_view_catalog *catalog,
    struct vm_error *err)
{
	VM_CLEAN_CATALOG struct vm_view_catalog loaded = { vm_json_new_object(),
		vm_json_new_object() };
	VM_CLEAN_NAMES char **names = NULL;

	if (loaded.images == NULL || loaded.current == NULL)
		return vm_error_nomem(err);
	names = vm_store_list(store, VM_STORE_ALIASES, err);
	if (names == NULL)
		return -1;
	for (char **name = names; *name != NULL; name++) {
		VM_CLEAN_JSON struct vm_json *alias = NULL;
		struct vm_error why = { 0 };

		alias = vm_alias_load(store, *name, &why);
		if (alias == NULL && why.kind != VM_E_NO_INPUT)
			vm_log(VM_LOG_WARN, "%s: %s", *name, why.message);
		if (alias != NULL &&
		    add_alias(&loaded, *name, alias, err) == -1)
			return -1;
	}
	*catalog = loaded;
	loaded = (struct vm_view_catalog){ 0 };
	return 0;
}

void
vm_view_catalog_release(struct vm_view_catalog *catalog)
{
	vm_json_free(catalog->images);
	vm_json_free(catalog->current);
	*catalog = (struct vm_view_catalog){ 0 };
}

const struct vm_json *
vm_view_catalog_image(const struct vm_view_catalog *catalog, const char *id)
{
	return vm_json_member(catalog->images, id);
}

const char *
vm_view_catalog_current(const struct vm_view_catalog *catalog,
    const char *alias)
{
	return vm_json_text(vm_json_member(catalog->current, alias));
}

char *
vm_view_image_name(const struct vm_view_catalog *catalog, const char *id,
    char out[VM_VIEW_NAME])
{
	const struct vm_json *image = vm_view_catalog_image(catalog, id);

	if (image != NULL)
		snprintf(out, VM_VIEW_NAME, "%s@%lld",
		    vm_json_string(image, "alias", ""),
		    (long long)vm_json_int(image, "generation", 0));
	else
		snprintf(out, VM_VIEW_NAME, "%.12s", id);
	return out;
}
