/* subject.c - see subject.h. */
#include "lib/host/subject.h"

#include "lib/base/clean.h"
#include "lib/record/record.h"
#include "lib/store/ephemeral.h"
#include "lib/store/vm.h"

#define LOCK_MS 2000

/* What the store owns. */
static const char *const facts[] = { "image", "layer", "disks", "chain",
	"lock_inode", "identity", "applied", "started", "ephemeral", "run",
	"ssh", "state", NULL };

int
vm_subject_check_kind(const struct vm_json *record, struct vm_error *err)
{
	if (vm_record_is_kind(record, "vm"))
		return 0;
	vm_error_set(err, VM_E_DATA, "not_a_vm", "the record is of no VM");
	return vm_error_hint(err, "vmclone");
}

int
vm_subject_refresh(struct vm_store *store, struct vm_json *record,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *stored = NULL;
	size_t i;

	if (vm_subject_check_kind(record, err) == -1)
		return -1;
	stored = vm_vm_load(store, vm_json_string(record, "name", ""), false,
	    err);
	if (stored == NULL || vm_vm_check_facts(stored, record, err) == -1)
		return -1;
	for (i = 0; facts[i] != NULL; i++) {
		const struct vm_json *fact = vm_json_member(stored, facts[i]);

		if (fact == NULL)
			vm_json_delete(record, facts[i]);
		else if (vm_json_set(record, facts[i], vm_json_copy(fact),
			     err) == -1)
			return -1;
	}
	return 0;
}

int
vm_subject_note_stopped(struct vm_store *store, struct vm_json *record,
    struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	VM_CLEAN_FD int lock = vm_vm_lock(store, name, LOCK_MS, err);
	int ended;

	if (lock == -1)
		return -1;
	vm_json_delete(record, "run.pid");
	ended = vm_ephemeral_end(store, name, err);
	if (ended != 0)
		return ended == -1 ?
		    -1 :
		    vm_json_set_string(record, "state", "removed", err);
	if (vm_json_set_string(record, "state", "stopped", err) == -1)
		return -1;
	return vm_vm_save(store, record, err);
}
