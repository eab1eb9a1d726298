#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "lib/clone/snapshot.h"
#include "lib/clone/snapshot_vm.h"

#define TOOL "vmsnap"

struct list {
	struct vm_store *store;
	struct vm_records *records;
};

/* {"kind":"snapshot","name":NAME@TAG or NAME,"vm":NAME}. */
static struct vm_json *
new_record(const char *vm, const char *tag, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_record_new("snapshot", err);
	char name[VM_NAME_MAX + 258];

	snprintf(name, sizeof(name), "%s%s%s", vm, *tag != '\0' ? "@" : "",
	    tag);
	if (record == NULL ||
	    vm_json_set_string(record, "name", name, err) == -1 ||
	    vm_json_set_string(record, "vm", vm, err) == -1)
		return NULL;
	return VM_TAKE(record);
}

static int
add_failed(struct list *list, const char *vm, const struct vm_error *failure,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = new_record(vm, "", err);

	if (record == NULL || vm_record_fail(record, TOOL, failure, err) == -1)
		return -1;
	return vm_records_add(list->records, VM_TAKE(record), err);
}

/* Has one of the disks before this one told of it already? */
static bool
is_known(const struct vm_snapshot_vm *vm, size_t disk, const char *tag)
{
	size_t i;

	for (i = 0; i < disk; i++) {
		if (vm_snapshots_find(&vm->disks[i].snapshots, tag) != NULL)
			return true;
	}
	return false;
}

static int
add_vm(struct list *list, const struct vm_snapshot_vm *vm, struct vm_error *err)
{
	size_t i, j;

	for (i = 0; i < vm->count; i++) {
		const struct vm_snapshots *snapshots = &vm->disks[i].snapshots;

		for (j = 0; j < snapshots->count; j++) {
			const char *tag = snapshots->items[j].name;
			VM_CLEAN_JSON struct vm_json *record = NULL;

			if (is_known(vm, i, tag))
				continue;
			record = new_record(vm->name, tag, err);
			if (record == NULL ||
			    vm_snapshot_vm_describe(vm, tag, record, err) ==
				-1 ||
			    vm_records_add(list->records, VM_TAKE(record),
				err) == -1)
				return -1;
		}
	}
	return 0;
}

static int
list_vm(struct list *list, const char *name, struct vm_error *err)
{
	VM_CLEAN_SNAPSHOT_VM struct vm_snapshot_vm vm = VM_SNAPSHOT_VM_CLOSED;
	struct vm_error failure = { 0 };

	if (vm_snapshot_vm_look(list->store, name, &vm, &failure) == 0)
		return add_vm(list, &vm, err);
	/* Removed since it was listed. */
	if (strcmp(failure.code, "vm_not_found") == 0 ||
	    strcmp(failure.code, "not_found") == 0)
		return 0;
	return add_failed(list, name, &failure, err);
}

static bool
is_plain(const char *pattern)
{
	return strpbrk(pattern, "*?[\\") == NULL;
}

/* A plain name that stands for nothing is a mistake. */
static int
check_patterns(struct list *list, char *const *names, char *const *patterns,
    size_t count, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	size_t i, j;

	for (i = 0; i < count; i++) {
		bool found = !is_plain(patterns[i]);

		for (j = 0; !found && names[j] != NULL; j++)
			found = strcmp(names[j], patterns[i]) == 0;
		if (found)
			continue;
		vm_error_set(&failure, VM_E_NO_INPUT, "vm_not_found",
		    "%.80s: no such VM", patterns[i]);
		vm_error_hint(&failure, "vmls");
		if (add_failed(list, patterns[i], &failure, err) == -1)
			return -1;
	}
	return 0;
}

int
vm_snapshot_list(struct vm_store *store, char *const *patterns, size_t count,
    struct vm_records *records, struct vm_error *err)
{
	struct list list = { .store = store, .records = records };
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_VMS, err);
	size_t i, j;

	if (names == NULL ||
	    check_patterns(&list, names, patterns, count, err) == -1)
		return -1;
	for (i = 0; names[i] != NULL; i++) {
		bool wanted = count == 0;

		for (j = 0; j < count && !wanted; j++)
			wanted = fnmatch(patterns[j], names[i], 0) == 0;
		if (wanted && list_vm(&list, names[i], err) == -1)
			return -1;
	}
	return 0;
}
