/* marks.c - see marks.h. */
#include "lib/host/marks.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct mark {
	enum vm_mark what;
	size_t vm;
	char *value;
};

struct vm_marks {
	struct mark *items;
	size_t count, room;
	size_t vms;
};

static const char *const words[] = {
	[VM_MARK_NAME] = "name",
	[VM_MARK_UUID] = "uuid",
	[VM_MARK_MACHINE] = "machine-id",
	[VM_MARK_INSTANCE] = "instance-id",
	[VM_MARK_GENERATION] = "generation-id",
	[VM_MARK_MAC] = "mac",
	[VM_MARK_ADDRESS] = "address",
	[VM_MARK_KEY] = "ssh-host-key",
	[VM_MARK_SEED] = "random-seed",
};

const char *
vm_marks_word(enum vm_mark what)
{
	return words[what];
}

struct vm_marks *
vm_marks_new(struct vm_error *err)
{
	struct vm_marks *marks = calloc(1, sizeof(*marks));

	if (marks == NULL)
		vm_error_nomem(err);
	return marks;
}

void
vm_marks_free(struct vm_marks *marks)
{
	size_t i;

	if (marks == NULL)
		return;
	for (i = 0; i < marks->count; i++)
		free(marks->items[i].value);
	free(marks->items);
	free(marks);
}

void
vm_marks_clean(struct vm_marks **marks)
{
	vm_marks_free(*marks);
}

/* ---- taking a record apart ---- */

/* value (taken; NULL: memory was out) is a mark of the VM being added. */
static int
take(struct vm_marks *marks, enum vm_mark what, char *value,
    struct vm_error *err)
{
	struct mark *items;
	size_t room;

	if (value == NULL)
		return -1;
	if (marks->count == marks->room) {
		room = marks->room == 0 ? 64 : 2 * marks->room;
		items = realloc(marks->items, room * sizeof(*items));
		if (items == NULL) {
			free(value);
			return vm_error_nomem(err);
		}
		marks->items = items;
		marks->room = room;
	}
	marks->items[marks->count++] = (struct mark){
		.what = what, .vm = marks->vms, .value = value
	};
	return 0;
}

/* The text at path, in lower case: these are numbers, and names. */
static int
add_text(struct vm_marks *marks, enum vm_mark what,
    const struct vm_json *record, const char *path, struct vm_error *err)
{
	const char *text = vm_json_string(record, path, "");
	char *value, *c;

	if (*text == '\0')
		return 0;
	value = vm_buf_printf(err, "%s", text);
	for (c = value; c != NULL && *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return take(marks, what, value, err);
}

/* "10.0.0.5 on bridge:br0", "10.70.0.11 on private:lan of shop on host". */
static int
add_address(struct vm_marks *marks, const struct vm_json *record,
    const struct vm_json *nic, struct vm_error *err)
{
	const char *address = vm_json_string(nic, "address", "");
	const char *on = vm_json_string(nic, "network", "user");
	int len = (int)strcspn(address, "/");

	if (len == 0 || strcmp(on, "user") == 0)
		return 0;
	if (strncmp(on, "private:", 8) != 0)
		return take(marks, VM_MARK_ADDRESS,
		    vm_buf_printf(err, "%.*s on %s", len, address, on), err);
	return take(marks, VM_MARK_ADDRESS,
	    vm_buf_printf(err, "%.*s on %s of \"%s\" on %s", len, address, on,
		vm_json_string(record, "service", ""),
		vm_json_string(record, "host", "")),
	    err);
}

static int
add_cards(struct vm_marks *marks, const struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_json *nics = vm_json_get(record, "identity.nics");
	size_t i;

	for (i = 0; i < vm_json_count(nics); i++) {
		const struct vm_json *nic = vm_json_at(nics, i);

		if (add_text(marks, VM_MARK_MAC, nic, "mac", err) == -1 ||
		    add_address(marks, record, nic, err) == -1)
			return -1;
	}
	return 0;
}

/* Type and key; the comment is anybody's. */
static int
add_keys(struct vm_marks *marks, const struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_json *keys = vm_json_get(record,
	    "identity.ssh_host_keys");
	size_t i, type;

	for (i = 0; i < vm_json_count(keys); i++) {
		const char *key = vm_json_text(vm_json_at(keys, i));

		if (key == NULL)
			continue;
		type = strcspn(key, " ");
		type += strspn(key + type, " ");
		type += strcspn(key + type, " ");
		if (take(marks, VM_MARK_KEY,
			vm_buf_printf(err, "%.*s", (int)type, key), err) == -1)
			return -1;
	}
	return 0;
}

int
vm_marks_add(struct vm_marks *marks, const struct vm_json *record,
    struct vm_error *err)
{
	static const struct {
		enum vm_mark what;
		const char *path;
	} texts[] = {
		{ VM_MARK_NAME, "name" },
		{ VM_MARK_UUID, "identity.uuid" },
		{ VM_MARK_MACHINE, "identity.machine_id" },
		{ VM_MARK_INSTANCE, "identity.instance_id" },
		{ VM_MARK_GENERATION, "identity.generation_id" },
		{ VM_MARK_SEED, "private.random_seed" },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (add_text(marks, texts[i].what, record, texts[i].path,
			err) == -1)
			return -1;
	}
	if (add_cards(marks, record, err) == -1 ||
	    add_keys(marks, record, err) == -1)
		return -1;
	marks->vms++;
	return 0;
}

/* ---- comparing ---- */

static int
compare_marks(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;
	int order;

	if (x->what != y->what)
		return x->what < y->what ? -1 : 1;
	if ((order = strcmp(x->value, y->value)) != 0)
		return order;
	return x->vm < y->vm ? -1 : x->vm > y->vm;
}

static int
compare_shared(const void *a, const void *b)
{
	const struct vm_mark_shared *x = a, *y = b;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	if (x->what != y->what)
		return x->what < y->what ? -1 : 1;
	return strcmp(x->value, y->value);
}

struct vm_mark_shared *
vm_marks_compare(struct vm_marks *marks, size_t *count, struct vm_error *err)
{
	struct vm_mark_shared *shared = calloc(marks->count + 1,
	    sizeof(*shared));
	const struct mark *first = marks->items, *mark;
	size_t i, n = 0;

	if (shared == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (marks->count > 0)
		qsort(marks->items, marks->count, sizeof(*marks->items),
		    compare_marks);
	for (i = 0; i < marks->count; i++) {
		mark = &marks->items[i];
		if (i == 0 || mark->what != first->what ||
		    strcmp(mark->value, first->value) != 0)
			first = mark;
		/* twice in one VM is no matter of two */
		else if (mark->vm != mark[-1].vm)
			shared[n++] = (struct vm_mark_shared){ .vm = mark->vm,
				.with = first->vm,
				.what = mark->what,
				.value = mark->what == VM_MARK_SEED ?
				    "(secret)" :
				    mark->value };
	}
	qsort(shared, n, sizeof(*shared), compare_shared);
	*count = n;
	return shared;
}
