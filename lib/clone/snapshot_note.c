#include "lib/clone/snapshot_note.h"

#include <errno.h>
#include <stdio.h>

#include "lib/base/log.h"
#include "lib/record/record.h"
#include "lib/store/durable.h"
#include "lib/store/meta.h"

#define FILE_NAME (VM_NAME_MAX + sizeof("snapshot-.json"))

static void
make_name(const char *tag, char name[FILE_NAME])
{
	snprintf(name, FILE_NAME, "snapshot-%.*s.json", VM_NAME_MAX, tag);
}

int
vm_snapshot_note_write(const struct vm_snapshot_vm *vm, const char *tag,
    struct vm_error *err)
{
	const struct vm_json *applied = vm_json_member(vm->record, "applied");
	VM_CLEAN_JSON struct vm_json *facts = vm_json_new_object();
	char name[FILE_NAME];

	make_name(tag, name);
	if (facts == NULL)
		return vm_error_nomem(err);
	if (applied != NULL &&
	    vm_json_set(facts, "applied", vm_json_copy(applied), err) == -1)
		return -1;
	return vm_meta_write(vm->store, vm->dir_fd, name, 0600, facts, err);
}

void
vm_snapshot_note_remove(const struct vm_snapshot_vm *vm, const char *tag)
{
	char name[FILE_NAME];

	make_name(tag, name);
	if (vm_durable_unlink(vm->store->durable, vm->dir_fd, name, 0) == -1 &&
	    errno != ENOENT)
		vm_log(VM_LOG_INFO, "%s: %s: left behind: %m", vm->name, name);
}

int
vm_snapshot_note_restore(struct vm_snapshot_vm *vm, const char *tag,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *facts = NULL;
	struct vm_error cause = { 0 };
	const struct vm_json *applied;
	char name[FILE_NAME];

	make_name(tag, name);
	facts = vm_meta_read(vm->dir_fd, name, "snapshot_damaged", &cause);
	if (facts == NULL && cause.kind == VM_E_NO_INPUT)
		return 0;
	if (facts == NULL) {
		*err = cause;
		return vm_error_wrap(err, "%s: %s", vm->name, name);
	}
	applied = vm_json_member(facts, "applied");
	if (applied != NULL)
		return vm_json_set(vm->record, "applied", vm_json_copy(applied),
		    err);
	vm_json_delete(vm->record, "applied");
	return 0;
}
