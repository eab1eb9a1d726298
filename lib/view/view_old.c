#include <string.h>

#include "lib/store/old.h"
#include "lib/store/vm.h"
#include "lib/view/view_object.h"

struct vm_json *
vm_view_old(struct vm_store *store, const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_old_load(store, name, false,
	    err);

	if (record == NULL ||
	    vm_json_set_string(record, "vm", vm_json_string(record, "name", ""),
		err) == -1 ||
	    vm_json_set_string(record, "kind", "old", err) == -1 ||
	    vm_json_set_string(record, "name", name, err) == -1 ||
	    (vm_old_is_unfinished(record) &&
		vm_json_set_string(record, "state", "unfinished", err) == -1) ||
	    vm_view_set_usage(record, store, VM_STORE_OLD, name,
		vm_vm_disk_file(vm_json_get(record, "disks.0")), err) == -1)
		return NULL;
	vm_json_delete(record, "drift");
	return VM_TAKE(record);
}
