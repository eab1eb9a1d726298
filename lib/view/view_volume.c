#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>

#include "lib/store/volume.h"
#include "lib/view/view_object.h"

/* Does its VM have a link to it?  Else it waits for a VM of that name. */
static bool
is_attached(const struct vm_store *store, const char *vm, const char *name)
{
	char file[VM_VOLUME_FILE], path[VM_NAME_MAX + 1 + sizeof(file)];
	struct stat st;

	vm_volume_make_file(name, file);
	snprintf(path, sizeof(path), "%.*s/%s", VM_NAME_MAX, vm, file);
	return fstatat(store->fds[VM_STORE_VMS], path, &st,
		   AT_SYMLINK_NOFOLLOW) == 0;
}

struct vm_json *
vm_view_volume(struct vm_store *store, const char *id, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *facts = vm_volume_load(store, id, err);
	VM_CLEAN_JSON struct vm_json *record = NULL;
	const char *vm = vm_json_string(facts, "vm", "");
	const char *mount = vm_json_string(facts, "mount", NULL);
	bool attached;

	if (facts == NULL || (record = vm_record_new("volume", err)) == NULL)
		return NULL;
	attached = is_attached(store, vm, vm_json_string(facts, "name", ""));
	if (vm_json_set_string(record, "name", id, err) == -1 ||
	    vm_json_set_string(record, "vm", vm, err) == -1 ||
	    vm_json_set_string(record, "state",
		attached ? "attached" : "orphan", err) == -1 ||
	    vm_json_set_int(record, "size", vm_json_int(facts, "size", 0),
		err) == -1 ||
	    (mount != NULL &&
		vm_json_set_string(record, "mount", mount, err) == -1))
		return NULL;
	if (vm_view_set_usage(record, store, VM_STORE_VOLUMES, id, "disk.raw",
		err) == -1)
		return NULL;
	vm_json_delete(record, "clones");
	return VM_TAKE(record);
}
