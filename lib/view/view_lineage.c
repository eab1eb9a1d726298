
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/store/vm.h"
#include "lib/view/view.h"
#include "lib/view/view_note.h"
#include "lib/view/view_object.h"

#define NONE ((size_t)-1)

/* One object; its children are a list. */
struct item {
	struct vm_json *record; /* owned, until it is emitted */
	size_t parent, first, last, next;
};

struct lineage {
	struct vm_store *store;
	struct item *items;
	size_t count;
	struct vm_json *rows; /* "image/ID", "layer/KEY", "vm/NAME": number */
	size_t first, last;   /* what stands on nothing */
};

static void
release(struct lineage *lineage)
{
	for (size_t i = 0; i < lineage->count; i++)
		vm_json_free(lineage->items[i].record);
	free(lineage->items);
	vm_json_free(lineage->rows);
}

/* --- the objects -----------------------------------------------------------*/

static int
find(const struct lineage *lineage, const char *type, const char *name,
    size_t *row)
{
	char key[256];
	const struct vm_json *value;

	if (name == NULL ||
	    snprintf(key, sizeof(key), "%s/%s", type, name) >= (int)sizeof(key))
		return 0;
	value = vm_json_member(lineage->rows, key);
	if (value == NULL)
		return 0;
	*row = strtoul(vm_json_text(value), NULL, 10);
	return 1;
}

/* Takes the record; what others may stand on is known by type and name. */
static int
add(struct lineage *lineage, struct vm_json *record, const char *type,
    const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *taken = record;
	size_t count = lineage->count;
	char key[256], row[32];
	struct item *items;

	/* powers of two: a realloc only when the count is one */
	if ((count & (count - 1)) == 0) {
		items = reallocarray(lineage->items, count == 0 ? 1 : 2 * count,
		    sizeof(*items));
		if (items == NULL)
			return vm_error_nomem(err);
		lineage->items = items;
	}
	snprintf(key, sizeof(key), "%s/%s", type, name == NULL ? "" : name);
	snprintf(row, sizeof(row), "%zu", count);
	if (name != NULL &&
	    vm_json_set_member(lineage->rows, key, vm_json_new_string(row),
		err) == -1)
		return -1;
	lineage->items[lineage->count++] = (struct item){
		.record = VM_TAKE(taken),
		.parent = NONE,
		.first = NONE,
		.last = NONE,
		.next = NONE
	};
	return 0;
}

static int
add_type(struct lineage *lineage, enum vm_view_type type, const char *word,
    const char *member, struct vm_error *err)
{
	const struct vm_view_options options = { .type = type, .usage = true };
	VM_CLEAN_RECORDS struct vm_records all = { 0 };

	if (vm_view_list(lineage->store, &options, &all, err) == -1)
		return -1;
	for (size_t i = 0; i < all.count; i++) {
		struct vm_json *record = VM_TAKE(all.items[i]);

		if (add(lineage, record, word,
			vm_json_string(record, member, NULL), err) == -1)
			return -1;
	}
	return 0;
}

/* Further disks, where they were made from an image. */
static int
add_disks(struct lineage *lineage, const struct vm_json *vm,
    struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(vm, "disks");

	for (size_t i = 0; i < vm_json_count(disks); i++) {
		const struct vm_json *disk = vm_json_at(disks, i);
		const char *image = vm_json_string(disk, "image", NULL);
		VM_CLEAN_JSON struct vm_json *record = NULL;
		VM_CLEAN_FREE char *name = NULL;

		if (image == NULL)
			continue;
		name = vm_buf_printf(err, "%s:%s",
		    vm_json_string(vm, "name", ""),
		    vm_json_string(disk, "name", ""));
		record = vm_record_new("disk", err);
		if (name == NULL || record == NULL ||
		    vm_json_set_string(record, "name", name, err) == -1 ||
		    vm_json_set_string(record, "vm",
			vm_json_string(vm, "name", ""), err) == -1 ||
		    vm_json_set_string(record, "image.id", image, err) == -1 ||
		    add(lineage, VM_TAKE(record), "disk", NULL, err) == -1)
			return -1;
	}
	return 0;
}

/* The vm.json in trash/<name>; NULL: it is no VM, or none any more. */
static struct vm_json *
read_removed(const struct lineage *lineage, const char *name)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	char path[300];

	snprintf(path, sizeof(path), "%.255s/vm.json", name);
	if (vm_fd_read_file(lineage->store->fds[VM_STORE_TRASH], path,
		VM_RECORD_MAX, &text, NULL) == -1 ||
	    text.len == 0)
		return NULL;
	return vm_json_parse(text.data, text.len, NULL);
}

/* A removed VM: its record, if that can be read, under its name there. */
static int
add_trash(struct lineage *lineage, const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *stored = read_removed(lineage, name);
	VM_CLEAN_JSON struct vm_json *record = NULL;

	if (stored == NULL)
		return 0;
	record = vm_record_new("trash", err);
	if (record == NULL ||
	    vm_json_set_string(record, "name", name, err) == -1 ||
	    vm_json_set_string(record, "vm", vm_json_string(stored, "name", ""),
		err) == -1 ||
	    vm_json_set_string(record, "state", "removed", err) == -1 ||
	    vm_json_set_string(record, "layer",
		vm_json_string(stored, "layer", ""), err) == -1 ||
	    vm_json_set_string(record, "image.id",
		vm_json_string(stored, "image.id", ""), err) == -1 ||
	    vm_view_set_usage(record, lineage->store, VM_STORE_TRASH, name,
		vm_vm_disk_file(vm_json_get(stored, "disks.0")), err) == -1)
		return -1;
	vm_json_delete(record, "clones");
	return add(lineage, VM_TAKE(record), "trash", NULL, err);
}

static int
add_all(struct lineage *lineage, struct vm_error *err)
{
	VM_CLEAN_NAMES char **trash = NULL;
	size_t vms;

	if (add_type(lineage, VM_VIEW_IMAGES, "image", "image.id", err) == -1 ||
	    add_type(lineage, VM_VIEW_LAYERS, "layer", "layer", err) == -1 ||
	    add_type(lineage, VM_VIEW_VMS, "vm", "name", err) == -1)
		return -1;
	vms = lineage->count;
	if (add_type(lineage, VM_VIEW_VOLUMES, "volume", "name", err) == -1 ||
	    add_type(lineage, VM_VIEW_OLD, "old", "name", err) == -1)
		return -1;
	for (size_t i = 0; i < vms; i++)
		if (vm_record_is_kind(lineage->items[i].record, "vm") &&
		    add_disks(lineage, lineage->items[i].record, err) == -1)
			return -1;
	trash = vm_store_list(lineage->store, VM_STORE_TRASH, err);
	for (size_t i = 0; trash != NULL && trash[i] != NULL; i++)
		if (add_trash(lineage, trash[i], err) == -1)
			return -1;
	return trash == NULL ? -1 : 0;
}

/* --- what stands on what ---------------------------------------------------*/

/* The image is gone from the store but for its hard links. */
static int
add_gone(struct lineage *lineage, const struct vm_json *on, const char *id,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *image = vm_record_new("image", err);
	const char *alias = vm_json_string(on, "image.alias", NULL);
	VM_CLEAN_FREE char *name = alias != NULL ?
	    vm_buf_printf(err, "%s@%lld", alias,
		(long long)vm_json_int(on, "image.generation", 0)) :
	    vm_buf_printf(err, "%.12s", id);

	if (image == NULL || name == NULL ||
	    vm_json_set_string(image, "name", name, err) == -1 ||
	    vm_json_set_string(image, "image.id", id, err) == -1 ||
	    vm_json_set_string(image, "state", "removed", err) == -1)
		return -1;
	return add(lineage, VM_TAKE(image), "image", id, err);
}

/*
 * The VM that it is a copy of, unless it is, in the end, one of its own copies
 * (the name was used again).  `slow` goes half as fast: who meets it is in a
 * circle that the record is not in.
 */
static int
find_source(const struct lineage *lineage, const struct vm_json *record,
    size_t *row)
{
	const char *copy_of = vm_json_string(record, "copy_of", NULL);
	size_t at, slow;

	if (find(lineage, "vm", copy_of, row) == 0)
		return 0;
	at = slow = *row;
	for (bool odd = true;; odd = !odd) {
		const struct vm_json *other = lineage->items[at].record;

		if (other == record)
			return 0;
		copy_of = vm_json_string(other, "copy_of", NULL);
		if (find(lineage, "vm", copy_of, &at) == 0)
			return 1;
		if (odd)
			continue;
		copy_of = vm_json_string(lineage->items[slow].record, "copy_of",
		    NULL);
		if (find(lineage, "vm", copy_of, &slow) == 0 || slow == at)
			return 1;
	}
}

/* The nearest thing that is there; the image, though it be gone. */
static int
find_parent(struct lineage *lineage, size_t i, size_t *row,
    struct vm_error *err)
{
	const struct vm_json *record = lineage->items[i].record;
	const char *kind = vm_json_string(record, "kind", "");
	const char *id = vm_json_string(record, "image.id", "");
	bool is_vm = strcmp(kind, "vm") == 0;

	*row = NONE;
	if (strcmp(kind, "image") == 0)
		return 0;
	if (strcmp(kind, "volume") == 0 || strcmp(kind, "old") == 0) {
		if (find(lineage, "vm", vm_json_string(record, "vm", NULL),
			row) == 1 ||
		    strcmp(kind, "volume") == 0)
			return 0;
	}
	if ((is_vm && find_source(lineage, record, row) == 1) ||
	    (strcmp(kind, "layer") == 0 &&
		find(lineage, "layer", vm_json_string(record, "base", NULL),
		    row) == 1) ||
	    (strcmp(kind, "layer") != 0 &&
		find(lineage, "layer", vm_json_string(record, "layer", NULL),
		    row) == 1) ||
	    find(lineage, "image", id, row) == 1 || *id == '\0')
		return 0;
	*row = lineage->count;
	return add_gone(lineage, record, id, err);
}

static int
join(struct lineage *lineage, struct vm_error *err)
{
	/* what is gone comes behind, and stands on nothing */
	for (size_t i = 0; i < lineage->count; i++) {
		size_t row, *last, *first;

		if (find_parent(lineage, i, &row, err) == -1)
			return -1;
		lineage->items[i].parent = row;
		first = row == NONE ? &lineage->first :
				      &lineage->items[row].first;
		last = row == NONE ? &lineage->last : &lineage->items[row].last;
		if (*last == NONE)
			*first = i;
		else
			lineage->items[*last].next = i;
		*last = i;
	}
	return 0;
}

/* --- the order of the tree -------------------------------------------------*/

static int
emit(struct lineage *lineage, size_t i, long long depth,
    struct vm_records *records, struct vm_error *err)
{
	struct item *item = &lineage->items[i];
	struct vm_json *record = item->record;

	if (vm_json_set_int(record, "depth", depth, err) == -1 ||
	    vm_view_note(lineage->store, record, err) == -1)
		return -1;
	if (item->parent != NONE) {
		/* a parent is emitted before, and belongs to records then */
		const struct vm_json *on = lineage->items[item->parent].record;

		if (vm_json_set_string(record, "on",
			vm_json_string(on, "name", ""), err) == -1)
			return -1;
	}
	return vm_records_add(records, vm_json_copy(record), err);
}

/* Depth first, without recursion: how deep it goes is the store's affair. */
static int
emit_all(struct lineage *lineage, struct vm_records *records,
    struct vm_error *err)
{
	size_t at = lineage->first;
	long long depth = 0;

	while (at != NONE) {
		if (emit(lineage, at, depth, records, err) == -1)
			return -1;
		if (lineage->items[at].first != NONE) {
			at = lineage->items[at].first;
			depth++;
			continue;
		}
		while (at != NONE && lineage->items[at].next == NONE) {
			at = lineage->items[at].parent;
			depth--;
		}
		if (at != NONE)
			at = lineage->items[at].next;
	}
	return 0;
}

int
vm_view_lineage(struct vm_store *store, struct vm_records *records,
    struct vm_error *err)
{
	VM_CLEAN(release)
	struct lineage lineage = { .store = store,
		.rows = vm_json_new_object(),
		.first = NONE,
		.last = NONE };

	if (lineage.rows == NULL)
		return vm_error_nomem(err);
	if (add_all(&lineage, err) == -1 || join(&lineage, err) == -1)
		return -1;
	return emit_all(&lineage, records, err);
}
