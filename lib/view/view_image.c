#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/store/chain.h"
#include "lib/store/image.h"
#include "lib/store/pin.h"
#include "lib/view/view_disk.h"
#include "lib/view/view_object.h"

/* image.{id,alias,generation} */
static int
set_image(struct vm_json *record, const struct vm_view_catalog *catalog,
    const char *id, struct vm_error *err)
{
	const struct vm_json *alias = vm_view_catalog_image(catalog, id);

	if (vm_json_set_string(record, "image.id", id, err) == -1)
		return -1;
	if (alias == NULL)
		return 0;
	if (vm_json_set_string(record, "image.alias",
		vm_json_string(alias, "alias", ""), err) == -1)
		return -1;
	return vm_json_set_int(record, "image.generation",
	    vm_json_int(alias, "generation", 0), err);
}

int
vm_view_set_usage(struct vm_json *record, const struct vm_store *store,
    enum vm_store_dir dir, const char *object, const char *file,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_store_open_object(store, dir, object, err);
	struct vm_view_disk disk;

	if (fd == -1 || vm_view_disk_measure(fd, file, &disk, err) == -1)
		return -1;
	if (vm_json_set_int(record, "used", (int64_t)disk.used, err) == -1 ||
	    vm_json_set_int(record, "refer", (int64_t)disk.refer, err) == -1)
		return -1;
	if (dir == VM_STORE_VMS || dir == VM_STORE_OLD)
		return 0;
	return vm_json_set_int(record, "clones",
	    disk.links > 0 ? (int64_t)disk.links - 1 : 0, err);
}

/* Members that one file has and the record shows. */
static int
copy_member(struct vm_json *record, const char *to, const struct vm_json *from,
    const char *name, struct vm_error *err)
{
	const struct vm_json *value = vm_json_member(from, name);

	if (value == NULL)
		return 0;
	return vm_json_set(record, to, vm_json_copy(value), err);
}

/* last_used, pinned, and lease: when it will end */
static int
set_care(struct vm_json *record, struct vm_store *store, const char *id,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_store_open_object(store, VM_STORE_IMAGES, id,
	    err);
	int64_t used_s = vm_use_last(store, VM_STORE_IMAGES, id) / 1000000000;
	struct vm_use_reading now;
	struct vm_use_clock clock;
	char text[VM_CLOCK_TEXT];
	struct vm_pin pin;

	if (fd == -1)
		return -1;
	if (vm_pin_read(fd, &pin, NULL) == -1)
		pin.pinned = true; /* as vmgc takes a damaged one */
	if (vm_json_set_string(record, "last_used",
		vm_clock_format(used_s, text), err) == -1 ||
	    vm_json_set_bool(record, "pinned", pin.pinned, err) == -1)
		return -1;
	if (pin.lease_s == 0)
		return 0;
	if (vm_use_read_time(&now, err) == -1)
		return -1;
	vm_use_check(store, &now, &clock);
	if (!vm_pin_is_leased(&pin, &clock))
		return 0;
	return vm_json_set_string(record, "lease",
	    vm_clock_format(pin.granted_s + (int64_t)pin.lease_s, text), err);
}

struct vm_json *
vm_view_image(struct vm_store *store, const struct vm_view_catalog *catalog,
    const char *id, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *image = vm_image_load(store, id, err);
	VM_CLEAN_JSON struct vm_json *record = NULL;
	const struct vm_json *alias = vm_view_catalog_image(catalog, id);
	char name[VM_VIEW_NAME], file[128];

	if (image == NULL || (record = vm_record_new("image", err)) == NULL)
		return NULL;
	snprintf(file, sizeof(file), "%s.raw", id);
	if (vm_json_set_string(record, "name",
		vm_view_image_name(catalog, id, name), err) == -1 ||
	    vm_json_set_string(record, "state", "fetched", err) == -1 ||
	    set_image(record, catalog, id, err) == -1 ||
	    vm_json_set_bool(record, "current",
		vm_json_bool(alias, "current", false), err) == -1 ||
	    copy_member(record, "image.virtual_size", image, "virtual_size",
		err) == -1 ||
	    copy_member(record, "source", image, "source", err) == -1 ||
	    copy_member(record, "fetched", image, "fetched", err) == -1 ||
	    set_care(record, store, id, err) == -1 ||
	    vm_view_set_usage(record, store, VM_STORE_IMAGES, id, file, err) ==
		-1)
		return NULL;
	return VM_TAKE(record);
}

struct vm_json *
vm_view_layer(struct vm_store *store, const struct vm_view_catalog *catalog,
    const char *key, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *layer = NULL, *record = NULL;
	char name[VM_VIEW_NAME], file[128];

	layer = vm_chain_load_layer(store, key, err);
	if (layer == NULL || (record = vm_record_new("layer", err)) == NULL)
		return NULL;
	snprintf(name, sizeof(name), "%.12s", key);
	snprintf(file, sizeof(file), "%s.qcow2", key);
	if (vm_json_set_string(record, "name", name, err) == -1 ||
	    vm_json_set_string(record, "layer", key, err) == -1 ||
	    copy_member(record, "base", layer, "base", err) == -1 ||
	    set_image(record, catalog, vm_json_string(layer, "image", ""),
		err) == -1 ||
	    copy_member(record, "image.virtual_size", layer, "virtual_size",
		err) == -1 ||
	    vm_view_set_usage(record, store, VM_STORE_LAYERS, key, file, err) ==
		-1)
		return NULL;
	return VM_TAKE(record);
}
