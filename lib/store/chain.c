#include "lib/store/chain.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/image.h"
#include "lib/store/meta.h"
#include "lib/store/use.h"

#define META "layer.json"

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len > n && strcmp(text + len - n, end) == 0;
}

/* --- layer.json ------------------------------------------------------------*/

static int
check_file(int dir_fd, const struct vm_json *file, bool *moved,
    struct vm_error *err)
{
	const char *name = vm_json_string(file, "name", "");

	if (strlen(name) >= sizeof(((struct vm_chain_file *)0)->name) ||
	    strchr(name, '/') != NULL || name[0] == '.' ||
	    !(ends_with(name, ".qcow2") || ends_with(name, ".raw")))
		return vm_error_set(err, VM_E_DATA, "layer_damaged",
		    "%s names no file of a chain", META);
	return vm_meta_check_file(dir_fd, name, file, "layer_changed", moved,
	    err);
}

static int
check_layer(int dir_fd, const char *key, const struct vm_json *meta,
    struct vm_error *err)
{
	const struct vm_json *files = vm_json_get(meta, "files");
	size_t count = vm_json_count(files), moved_count = 0;

	if (strcmp(vm_json_string(meta, "key", ""), key) != 0 ||
	    vm_json_string(meta, "image", NULL) == NULL ||
	    vm_json_int(meta, "virtual_size", 0) <= 0 ||
	    vm_json_type(files) != VM_JSON_ARRAY || count < 2 ||
	    count > VM_CHAIN_MAX)
		return vm_error_set(err, VM_E_DATA, "layer_damaged",
		    "%s is incomplete or of another layer", META);
	for (size_t i = 0; i < count; i++) {
		bool moved;

		if (check_file(dir_fd, vm_json_at(files, i), &moved, err) == -1)
			return -1;
		moved_count += moved;
	}
	if (moved_count != 0 && moved_count != count)
		return vm_error_set(err, VM_E_DATA, "layer_changed",
		    "not as it was published: a file has been replaced");
	return 0;
}

struct vm_json *
vm_chain_load_layer(struct vm_store *store, const char *key,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *meta = NULL;
	VM_CLEAN_FD int dir_fd = -1;
	struct vm_error cause = { 0 };

	if (vm_meta_is_digest(key, false))
		dir_fd = vm_store_open_object(store, VM_STORE_LAYERS, key,
		    &cause);
	if (dir_fd == -1 &&
	    (cause.kind == VM_OK || cause.kind == VM_E_NO_INPUT)) {
		vm_error_set(err, VM_E_NO_INPUT, "layer_not_found",
		    "layer %s: not in the store", key);
		return NULL;
	}
	if (dir_fd != -1)
		meta = vm_meta_read(dir_fd, META, "layer_damaged", &cause);
	if (cause.kind == VM_E_NO_INPUT)
		vm_error_set(&cause, VM_E_DATA, "layer_damaged",
		    "%s is missing", META);
	if (meta != NULL && check_layer(dir_fd, key, meta, &cause) == 0)
		return VM_TAKE(meta);
	if (err != NULL)
		*err = cause;
	vm_error_wrap(err, "layer %s", key);
	if (cause.kind == VM_E_DATA)
		vm_error_hint(err, "vmdoctor --images");
	return NULL;
}

/* "base" and "files" of a new layer: its own file and those of its base. */
static int
describe(const struct vm_publish *publish, const struct vm_chain *base,
    const char *key, struct vm_json *facts, struct vm_error *err)
{
	struct vm_json *files;
	char name[sizeof(base->files[0].name)];

	if (vm_json_set_string(facts, "key", key, err) == -1 ||
	    vm_json_set_string(facts, "base",
		base->layer_key[0] != '\0' ? base->layer_key : base->image_id,
		err) == -1 ||
	    vm_json_set_string(facts, "image", base->image_id, err) == -1 ||
	    vm_json_set(facts, "files", vm_json_new_array(), err) == -1)
		return -1;
	if (vm_json_get(facts, "virtual_size") == NULL &&
	    vm_json_set_int(facts, "virtual_size", (int64_t)base->virtual_size,
		err) == -1)
		return -1;
	files = vm_json_get(facts, "files");
	for (size_t i = 0; i <= base->count; i++) {
		if (i == 0)
			snprintf(name, sizeof(name), "%s.qcow2", key);
		else
			snprintf(name, sizeof(name), "%s",
			    base->files[i - 1].name);
		if (vm_json_append(files, vm_json_new_object(), err) == -1 ||
		    vm_json_set_string(vm_json_at(files, i), "name", name,
			err) == -1 ||
		    vm_meta_note_file(publish->dir_fd, name,
			vm_json_at(files, i), err) == -1)
			return -1;
	}
	return 0;
}

int
vm_chain_publish_layer(struct vm_store *store, struct vm_publish *publish,
    const struct vm_chain *base, const char *key, struct vm_json *facts,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	if (!vm_meta_is_digest(key, false))
		return vm_error_set(err, VM_E_BUG, "bad_key",
		    "not a layer's key: %s", key);
	if (base->count + 1 >= VM_CHAIN_MAX)
		return vm_error_set(err, VM_E_SYSTEM, "chain_too_long",
		    "layer %s: there are %zu files below it already", key,
		    base->count);
	if (describe(publish, base, key, facts, err) == -1 ||
	    vm_meta_format(facts, &text, err) == -1 ||
	    vm_publish_write(publish, META, 0640, text.data, text.len, err) ==
		-1)
		return -1;
	return vm_meta_publish(store, publish, VM_STORE_LAYERS, key,
	    vm_chain_load_layer, err);
}

/* --- chains ----------------------------------------------------------------*/

int
vm_chain_open_image(struct vm_store *store, const char *id,
    struct vm_chain *chain, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *meta = vm_image_load(store, id, err);
	struct vm_chain opened = { .count = 1 };
	int64_t size = vm_json_int(meta, "virtual_size", 0);

	if (meta == NULL)
		return -1;
	if (size <= 0)
		return vm_error_set(err, VM_E_DATA, "image_damaged",
		    "image %s: image.json has no virtual_size", id);
	opened.virtual_size = (uint64_t)size;
	snprintf(opened.image_id, sizeof(opened.image_id), "%s", id);
	snprintf(opened.files[0].name, sizeof(opened.files[0].name), "%s.raw",
	    id);
	opened.files[0].is_raw = true;
	opened.dir_fd = vm_store_open_object(store, VM_STORE_IMAGES, id, err);
	if (opened.dir_fd == -1)
		return -1;
	*chain = opened;
	return 0;
}

int
vm_chain_open_layer(struct vm_store *store, const char *key,
    struct vm_chain *chain, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *meta = vm_chain_load_layer(store, key,
	    err);
	const struct vm_json *files = vm_json_get(meta, "files");
	struct vm_chain opened = { .count = vm_json_count(files) };

	if (meta == NULL)
		return -1;
	snprintf(opened.image_id, sizeof(opened.image_id), "%s",
	    vm_json_string(meta, "image", ""));
	snprintf(opened.layer_key, sizeof(opened.layer_key), "%s", key);
	opened.virtual_size = (uint64_t)vm_json_int(meta, "virtual_size", 0);
	for (size_t i = 0; i < opened.count; i++) {
		struct vm_chain_file *file = &opened.files[i];

		snprintf(file->name, sizeof(file->name), "%s",
		    vm_json_string(vm_json_at(files, i), "name", ""));
		file->is_raw = ends_with(file->name, ".raw");
	}
	opened.dir_fd = vm_store_open_object(store, VM_STORE_LAYERS, key, err);
	if (opened.dir_fd == -1)
		return -1;
	*chain = opened;
	return 0;
}

void
vm_chain_close(struct vm_chain *chain)
{
	if (chain->dir_fd > 0)
		close(chain->dir_fd);
	*chain = (struct vm_chain){ .dir_fd = -1 };
}

/* vmgc may have been faster: then it is as if it had never been there. */
static int
explain_link(const struct vm_chain *chain, const struct vm_error *failure,
    struct vm_error *err)
{
	if (failure->kind == VM_E_NO_INPUT && chain->image_id[0] != '\0') {
		vm_error_set(err, VM_E_NO_INPUT, "image_not_found",
		    "image %s: not in the store any more", chain->image_id);
		return vm_error_hint(err, "vmfetch with its source");
	}
	if (err != NULL)
		*err = *failure;
	return -1;
}

int
vm_chain_link(const struct vm_chain *chain, struct vm_publish *publish,
    struct vm_error *err)
{
	struct vm_error failure = { 0 };

	for (size_t i = 0; i < chain->count; i++)
		if (vm_publish_link(publish, chain->dir_fd,
			chain->files[i].name, chain->files[i].name,
			&failure) == -1)
			return explain_link(chain, &failure, err);
	if (chain->layer_key[0] != '\0')
		vm_use_note(publish->store, VM_STORE_LAYERS, chain->layer_key);
	else if (chain->image_id[0] != '\0')
		vm_use_note(publish->store, VM_STORE_IMAGES, chain->image_id);
	return 0;
}
