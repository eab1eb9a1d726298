#include <stdlib.h>
#include <string.h>

#include "lib/adapt/table.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/view/view.h"

/* The tree under way: rows by what stands on them (an image's id, a key). */
struct tree {
	struct vm_table *table;
	struct vm_json *rows;
	size_t count;
	bool exact;
};

static void
release_tree(struct tree *tree)
{
	vm_table_free(tree->table);
	vm_json_free(tree->rows);
}

static size_t
find_row(const struct tree *tree, const char *key)
{
	const struct vm_json *row = NULL;

	if (key != NULL)
		row = vm_json_member(tree->rows, key);
	if (row == NULL)
		return VM_TABLE_NO_PARENT;
	return strtoul(vm_json_text(row), NULL, 10);
}

static int
keep_row(struct tree *tree, const char *key, struct vm_error *err)
{
	VM_CLEAN_FREE char *row = vm_buf_printf(err, "%zu", tree->count);

	if (row == NULL)
		return -1;
	return vm_json_set_member(tree->rows, key, vm_json_new_string(row),
	    err);
}

static const char *
format_size(const struct tree *tree, const struct vm_json *record,
    const char *field, char out[VM_SIZE_TEXT])
{
	int64_t bytes = vm_json_int(record, field, -1);

	if (bytes < 0)
		return "-";
	return vm_size_format((uint64_t)bytes, tree->exact, out);
}

/* A row for the record; key: what others name it by, or NULL. */
static int
add_row(struct tree *tree, const struct vm_json *record, const char *key,
    size_t parent, struct vm_error *err)
{
	char used[VM_SIZE_TEXT], refer[VM_SIZE_TEXT], name[256], state[64];
	const char *cells[] = {
		vm_log_escape(vm_json_string(record, "name", "-"), name,
		    sizeof(name)),
		vm_json_string(record, "kind", "-"),
		vm_log_escape(vm_json_string(record, "state", "-"), state,
		    sizeof(state)),
		format_size(tree, record, "used", used),
		format_size(tree, record, "refer", refer),
	};

	if (key != NULL && keep_row(tree, key, err) == -1)
		return -1;
	if (vm_table_add(tree->table, cells, parent, err) == -1)
		return -1;
	tree->count++;
	return 0;
}

static int
add_images(struct tree *tree, const struct vm_records *images,
    struct vm_error *err)
{
	for (size_t i = 0; i < images->count; i++) {
		const struct vm_json *image = images->items[i];

		if (add_row(tree, image,
			vm_json_string(image, "image.id", NULL),
			VM_TABLE_NO_PARENT, err) == -1)
			return -1;
	}
	return 0;
}

/* What an object stands on is gone from the store but for its hard links. */
static int
add_gone(struct tree *tree, const struct vm_json *record, const char *id,
    size_t *row, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *image = vm_record_new("image", err);
	VM_CLEAN_FREE char *name = NULL;
	const char *alias = vm_json_string(record, "image.alias", NULL);

	if (alias != NULL)
		name = vm_buf_printf(err, "%s@%lld", alias,
		    (long long)vm_json_int(record, "image.generation", 0));
	else
		name = vm_buf_printf(err, "%.12s", id);
	if (image == NULL || name == NULL ||
	    vm_json_set_string(image, "name", name, err) == -1 ||
	    vm_json_set_string(image, "state", "removed", err) == -1)
		return -1;
	*row = tree->count;
	return add_row(tree, image, id, VM_TABLE_NO_PARENT, err);
}

/* Below its layer, else below its image. */
static int
add_child(struct tree *tree, const struct vm_json *record, const char *on,
    const char *key, struct vm_error *err)
{
	const char *id = vm_json_string(record, "image.id", NULL);
	size_t parent = find_row(tree, on);

	if (parent == VM_TABLE_NO_PARENT)
		parent = find_row(tree, id);
	if (parent == VM_TABLE_NO_PARENT && id != NULL &&
	    add_gone(tree, record, id, &parent, err) == -1)
		return -1;
	return add_row(tree, record, key, parent, err);
}

/* A layer may stand on a layer: those below come first. */
static int
add_layers(struct tree *tree, const struct vm_records *layers,
    struct vm_error *err)
{
	VM_CLEAN_FREE bool *done = calloc(layers->count + 1, sizeof(*done));
	size_t left = layers->count;
	bool moved = true;

	if (done == NULL)
		return vm_error_nomem(err);
	while (left > 0) {
		/* A round that placed none: the base of the rest is gone. */
		bool force = !moved;

		moved = false;
		for (size_t i = 0; i < layers->count; i++) {
			const struct vm_json *layer = layers->items[i];
			const char *base = vm_json_string(layer, "base", NULL);

			if (done[i] ||
			    (!force &&
				find_row(tree, base) == VM_TABLE_NO_PARENT))
				continue;
			if (add_child(tree, layer, base,
				vm_json_string(layer, "layer", NULL),
				err) == -1)
				return -1;
			done[i] = moved = true;
			left--;
		}
	}
	return 0;
}

static int
add_vms(struct tree *tree, const struct vm_records *vms, struct vm_error *err)
{
	for (size_t i = 0; i < vms->count; i++) {
		const struct vm_json *vm = vms->items[i];

		if (add_child(tree, vm, vm_json_string(vm, "layer", NULL), NULL,
			err) == -1)
			return -1;
	}
	return 0;
}

static int
list(struct vm_store *store, enum vm_view_type type, struct vm_records *records,
    struct vm_error *err)
{
	const struct vm_view_options options = { .type = type, .usage = true };

	return vm_view_list(store, &options, records, err);
}

int
vm_view_tree(struct vm_store *store, bool exact, struct vm_buf *out,
    struct vm_error *err)
{
	static const struct vm_table_column heads[] = { { "NAME", false },
		{ "KIND", false }, { "STATE", false }, { "USED", true },
		{ "REFER", true } };
	VM_CLEAN_RECORDS struct vm_records images = { 0 }, layers = { 0 };
	VM_CLEAN_RECORDS struct vm_records vms = { 0 };
	VM_CLEAN(release_tree) struct tree tree = { .exact = exact };

	tree.table = vm_table_new(heads, sizeof(heads) / sizeof(heads[0]), true,
	    err);
	if (tree.table == NULL)
		return -1;
	tree.rows = vm_json_new_object();
	if (tree.rows == NULL)
		return vm_error_nomem(err);
	if (list(store, VM_VIEW_IMAGES, &images, err) == -1 ||
	    list(store, VM_VIEW_LAYERS, &layers, err) == -1 ||
	    list(store, VM_VIEW_VMS, &vms, err) == -1)
		return -1;
	if (add_images(&tree, &images, err) == -1 ||
	    add_layers(&tree, &layers, err) == -1 ||
	    add_vms(&tree, &vms, err) == -1)
		return -1;
	return vm_table_format(tree.table, out, err);
}
