#include "lib/reclaim/removal_volumes.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/store/vm.h"
#include "lib/store/volume.h"

#define LOCK_MS 5000

static const char *
name_of(const struct vm_json *record)
{
	return vm_json_string(record, "name", "");
}

/* --- which ones ------------------------------------------------------------*/

bool
vm_removal_has_volumes(const struct vm_store *store, const char *vm)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_VOLUMES,
	    NULL);

	for (size_t i = 0; names != NULL && names[i] != NULL; i++)
		if (vm_volume_is_of(names[i], vm))
			return true;
	return false;
}

bool
vm_removal_is_only_volumes(const struct vm_store *store, const char *vm)
{
	return faccessat(store->fds[VM_STORE_VMS], vm, F_OK,
		   AT_SYMLINK_NOFOLLOW) == -1 &&
	    vm_removal_has_volumes(store, vm);
}

/* --- removed ---------------------------------------------------------------*/

static int
say_planned(struct vm_store *store, const char *vm, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_VOLUMES,
	    err);

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++)
		if (vm_volume_is_of(names[i], vm))
			vm_log(VM_LOG_WARN, "volume %s: would be removed",
			    names[i]);
	return 0;
}

static int
take_volumes(struct vm_store *store, bool dry_run, struct vm_json *record,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *ids = vm_json_new_array();

	if (dry_run)
		return say_planned(store, name_of(record), err);
	if (ids == NULL)
		return vm_error_nomem(err);
	if (vm_volume_trash_all(store, name_of(record), ids, err) == -1)
		return -1;
	return vm_json_set(record, "volumes", VM_TAKE(ids), err);
}

int
vm_removal_take_volumes(struct vm_store *store, bool dry_run, const char *tool,
    struct vm_records *records, struct vm_error *err)
{
	for (size_t i = 0; i < records->count; i++) {
		struct vm_json *record = records->items[i];
		struct vm_error failure = { 0 };

		if (!vm_record_is_kind(record, "vm") ||
		    vm_record_is_failed(record) ||
		    take_volumes(store, dry_run, record, &failure) == 0)
			continue;
		if (vm_record_fail(record, tool, &failure, err) == -1)
			return -1;
	}
	return 0;
}

/* The volumes that the record's VM had and that are in the store. */
static int
list_left(const struct vm_store *store, const struct vm_json *record,
    struct vm_buf *out, struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(record, "disks");
	int count = 0;

	for (size_t i = 0; i < vm_json_count(disks); i++) {
		const char *id = vm_json_string(vm_json_at(disks, i), "volume",
		    NULL);

		if (id == NULL ||
		    faccessat(store->fds[VM_STORE_VOLUMES], id, F_OK,
			AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		count++;
		if (vm_buf_format(out, err, "%s%s", out->len > 0 ? ", " : "",
			id) == -1)
			return -1;
	}
	return count;
}

int
vm_removal_say_left(const struct vm_store *store, char *const *removed,
    const struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf ids = { 0 };
	VM_CLEAN_BUF struct vm_buf vms = { 0 };

	for (size_t i = 0; i < records->count; i++) {
		int count = removed[i] == NULL ||
			vm_record_is_failed(records->items[i]) ?
		    0 :
		    list_left(store, records->items[i], &ids, err);

		if (count == -1 ||
		    (count > 0 &&
			vm_buf_format(&vms, err, " %s",
			    name_of(records->items[i])) == -1))
			return -1;
	}
	if (vms.len > 0)
		vm_log(VM_LOG_WARN,
		    "volumes stay: %s; to remove them too, run: "
		    "vmrm --volumes%s",
		    ids.data, vms.data);
	return 0;
}

/* --- brought back ----------------------------------------------------------*/

/* Without a VM the record is of what was removed; one that is there is not. */
static int
note_removed(const struct vm_store *store, struct vm_json *record,
    struct vm_error *err)
{
	return faccessat(store->fds[VM_STORE_VMS], name_of(record), F_OK,
		   AT_SYMLINK_NOFOLLOW) == 0 ?
	    0 :
	    vm_json_set_string(record, "state", "removed", err);
}

static int
count_in_trash(struct vm_store *store, const char *vm, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_TRASH, err);
	int count = 0;

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++)
		count += vm_volume_is_trash_of(names[i], vm);
	return count;
}

int
vm_removal_restore_volumes(struct vm_store *store, bool dry_run,
    struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *ids = vm_json_new_array();
	int count = count_in_trash(store, name_of(record), err);

	if (count <= 0)
		return count;
	if (ids == NULL)
		return vm_error_nomem(err);
	if (dry_run) {
		vm_log(VM_LOG_WARN, "%s: its volumes would be brought back",
		    name_of(record));
		return vm_json_set_string(record, "planned", "restore", err) ==
			-1 ?
		    -1 :
		    1;
	}
	if (vm_volume_untrash_all(store, name_of(record), ids, err) == -1 ||
	    note_removed(store, record, err) == -1 ||
	    vm_json_set(record, "volumes", VM_TAKE(ids), err) == -1)
		return -1;
	return 1;
}

static int
mend(struct vm_store *store, const struct vm_json *record, struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(record, "disks");
	VM_CLEAN_FD int lock_fd = -1;

	for (size_t i = 0; i < vm_json_count(disks) && lock_fd == -1; i++)
		if (vm_json_get(vm_json_at(disks, i), "volume") != NULL &&
		    (lock_fd = vm_vm_lock(store, name_of(record), LOCK_MS,
			 err)) == -1)
			return -1;
	return lock_fd == -1 ? 0 : vm_volume_mend_all(store, record, err);
}

int
vm_removal_mend_volumes(struct vm_store *store, char *const *restored,
    const char *tool, struct vm_records *records, struct vm_error *err)
{
	for (size_t i = 0; i < records->count; i++) {
		struct vm_json *record = records->items[i];
		struct vm_error failure = { 0 };

		if (restored[i] == NULL || vm_record_is_failed(record) ||
		    mend(store, record, &failure) == 0)
			continue;
		if (vm_record_fail(record, tool, &failure, err) == -1)
			return -1;
	}
	return 0;
}
