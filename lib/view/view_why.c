#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/alias.h"
#include "lib/view/view_catalog.h"
#include "lib/view/view.h"
#include "lib/view/view_object.h"

/* Append {kind, name, why}. */
static int
add_reason(const char *kind, const char *name, const char *why,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_record_new(kind, err);

	if (record == NULL ||
	    vm_json_set_string(record, "name", name, err) == -1 ||
	    vm_json_set_string(record, "why", why, err) == -1)
		return -1;
	return vm_records_add(records, VM_TAKE(record), err);
}

/* One alias's generations that are this image. */
static int
add_generations(const char *name, const struct vm_json *alias, const char *id,
    struct vm_records *records, struct vm_error *err)
{
	const struct vm_json *generations = vm_json_get(alias, "generations");
	long long current = vm_json_int(alias, "current", 0);
	void *it = vm_json_first(generations);

	for (; it != NULL; it = vm_json_next(generations, it)) {
		const char *number = vm_json_key(it);
		char text[128];

		if (strcmp(vm_json_string(vm_json_value(it), "id", ""), id) !=
		    0)
			continue;
		snprintf(text, sizeof(text), "%s@%s", name, number);
		if (add_reason("alias", text,
			strtoll(number, NULL, 10) == current ?
			    "current generation" :
			    "older generation",
			records, err) == -1)
			return -1;
	}
	return 0;
}

static int
add_aliases(struct vm_store *store, const char *id, struct vm_records *records,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_ALIASES,
	    err);

	if (names == NULL)
		return -1;
	for (char **name = names; *name != NULL; name++) {
		VM_CLEAN_JSON struct vm_json *alias = NULL;
		struct vm_error why = { 0 };

		alias = vm_alias_load(store, *name, &why);
		if (alias == NULL && why.kind == VM_E_NO_INPUT)
			continue;
		if (alias == NULL) {
			*err = why;
			return -1;
		}
		if (add_generations(*name, alias, id, records, err) == -1)
			return -1;
	}
	return 0;
}

static const struct {
	enum vm_view_type type;
	enum vm_store_dir dir;
} keepers[] = { { VM_VIEW_LAYERS, VM_STORE_LAYERS },
	{ VM_VIEW_VMS, VM_STORE_VMS }, { VM_VIEW_OLD, VM_STORE_OLD } };

#define KEEPERS (sizeof(keepers) / sizeof(keepers[0]))

/* Has it a link to the image?  A reflink and a full copy have none. */
static bool
has_link(const struct vm_store *store, enum vm_store_dir dir,
    const char *object, const char *id)
{
	char path[400];
	struct stat st;

	snprintf(path, sizeof(path), "%.255s/%.80s.raw", object, id);
	return fstatat(store->fds[dir], path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Why is that so?  *text is the caller's. */
static int
explain(const struct vm_json *record, const char *id, char **text,
    struct vm_error *err)
{
	const char *kind = vm_json_string(record, "kind", "");
	const char *copy_of = vm_json_string(record, "copy_of", NULL);
	const char *layer = vm_json_string(record, "layer", NULL);
	const char *vm = vm_json_string(record, "vm", "");

	if (strcmp(kind, "layer") == 0)
		*text = vm_buf_printf(err, "layer on it");
	else if (strcmp(kind, "old") == 0)
		*text = vm_buf_printf(err, "what %s was before an upgrade", vm);
	else if (strcmp(vm_json_string(record, "image.id", ""), id) != 0)
		*text = vm_buf_printf(err, "a further disk stands on it");
	else if (copy_of != NULL)
		*text = vm_buf_printf(err, "copy of %s, a clone of it",
		    copy_of);
	else if (layer != NULL)
		*text = vm_buf_printf(err, "clone of layer %.12s on it", layer);
	else
		*text = vm_buf_printf(err, "clone of it");
	return *text == NULL ? -1 : 0;
}

/* Layers, VMs or old disks with this image at the bottom of a chain. */
static int
add_objects(struct vm_store *store, size_t keeper, const char *id,
    struct vm_records *records, struct vm_error *err)
{
	const struct vm_view_options options = { .type = keepers[keeper].type };
	VM_CLEAN_RECORDS struct vm_records all = { 0 };

	if (vm_view_list(store, &options, &all, err) == -1)
		return -1;
	for (size_t i = 0; i < all.count; i++) {
		struct vm_json *record = all.items[i];
		VM_CLEAN_FREE char *why = NULL;

		if (!has_link(store, keepers[keeper].dir,
			vm_json_string(record,
			    keepers[keeper].type == VM_VIEW_LAYERS ? "layer" :
								     "name",
			    ""),
			id))
			continue;
		if (explain(record, id, &why, err) == -1 ||
		    vm_json_set_string(record, "why", why, err) == -1 ||
		    vm_records_add(records, VM_TAKE(all.items[i]), err) == -1)
			return -1;
	}
	return 0;
}

/* What lies in the trash still has its hard links. */
static int
add_trash(struct vm_store *store, const char *id, struct vm_records *records,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_TRASH, err);

	if (names == NULL)
		return -1;
	for (char **name = names; *name != NULL; name++) {
		VM_CLEAN_FREE char *path = NULL;
		struct stat st;

		path = vm_buf_printf(err, "%s/%s.raw", *name, id);
		if (path == NULL)
			return -1;
		if (fstatat(store->fds[VM_STORE_TRASH], path, &st,
			AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		if (add_reason("trash", *name, "in the trash", records, err) ==
		    -1)
			return -1;
	}
	return 0;
}

/* What was asked for with vmfetch --pin and --lease. */
static int
add_pins(struct vm_store *store, const char *id, struct vm_records *records,
    struct vm_error *err)
{
	VM_CLEAN_CATALOG struct vm_view_catalog catalog = { 0 };
	VM_CLEAN_JSON struct vm_json *image = NULL;
	struct vm_error failure = { 0 };
	const char *name, *lease;
	char why[64];

	if (vm_view_catalog_load(store, &catalog, err) == -1)
		return -1;
	image = vm_view_image(store, &catalog, id, &failure);
	if (image == NULL) /* damaged, or gone: the others say why */
		return 0;
	name = vm_json_string(image, "name", "");
	lease = vm_json_string(image, "lease", NULL);
	if (vm_json_bool(image, "pinned", false) &&
	    add_reason("pin", name, "pinned", records, err) == -1)
		return -1;
	if (lease == NULL)
		return 0;
	snprintf(why, sizeof(why), "leased until %s", lease);
	return add_reason("lease", name, why, records, err);
}

int
vm_view_why(struct vm_store *store, const char *image,
    struct vm_records *records, struct vm_error *err)
{
	struct vm_alias alias;

	if (vm_alias_resolve(store, image, &alias, err) == -1 ||
	    add_aliases(store, alias.id, records, err) == -1 ||
	    add_pins(store, alias.id, records, err) == -1)
		return -1;
	for (size_t i = 0; i < KEEPERS; i++)
		if (add_objects(store, i, alias.id, records, err) == -1)
			return -1;
	return add_trash(store, alias.id, records, err);
}
