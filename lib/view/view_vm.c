#include <string.h>

#include "lib/base/fd.h"
#include "lib/disk/snapshots.h"
#include "lib/store/vm.h"
#include "lib/view/view_disk.h"
#include "lib/view/view_object.h"

/* States that only a running QEMU can be in. */
static bool
is_alive(const char *state)
{
	return strcmp(state, "running") == 0 || strcmp(state, "ready") == 0 ||
	    strcmp(state, "suspended") == 0;
}

/* The host may have gone down, or QEMU ended, with nobody to write it down. */
static int
update_state(struct vm_store *store, const char *name, struct vm_json *record,
    struct vm_error *err)
{
	int busy;

	if (!is_alive(vm_json_string(record, "state", "")))
		return 0;
	busy = vm_vm_is_busy(store, name, err);
	if (busy != 0)
		return busy == -1 ? -1 : 0;
	return vm_json_set_string(record, "state", "stopped", err);
}

static bool
is_behind(const struct vm_view_catalog *catalog, const struct vm_json *record)
{
	const char *alias = vm_json_string(record, "image.alias", NULL);
	const char *id = vm_json_string(record, "image.id", NULL);
	const char *current;

	if (alias == NULL || id == NULL)
		return false;
	current = vm_view_catalog_current(catalog, alias);
	return current != NULL && strcmp(current, id) != 0;
}

/* What was stored, and "image" first if and only if it holds now. */
static int
update_drift(const struct vm_view_catalog *catalog, struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_json *stored = vm_json_member(record, "drift");
	VM_CLEAN_JSON struct vm_json *drift = vm_json_new_array();

	if (drift == NULL)
		return vm_error_nomem(err);
	if (is_behind(catalog, record) &&
	    vm_json_append(drift, vm_json_new_string("image"), err) == -1)
		return -1;
	for (size_t i = 0; i < vm_json_count(stored); i++) {
		const char *word = vm_json_text(vm_json_at(stored, i));

		if (word == NULL || strcmp(word, "image") == 0)
			continue;
		if (vm_json_append(drift, vm_json_new_string(word), err) == -1)
			return -1;
	}
	return vm_json_set_member(record, "drift", VM_TAKE(drift), err);
}

/* What is its own of a reflink is what it has written, as of an overlay. */
static int
update_used(struct vm_store *store, const char *name, const char *file,
    struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN_FD int dir_fd = -1;
	uint64_t bytes;

	if (strcmp(vm_json_string(record, "disks.0.mode", ""), "reflink") != 0)
		return 0;
	dir_fd = vm_store_open_object(store, VM_STORE_VMS, name, err);
	if (dir_fd == -1 || vm_view_disk_own(dir_fd, file, &bytes, err) == -1)
		return -1;
	return vm_json_set_int(record, "used", (int64_t)bytes, err);
}

/* How many its disk says it has; one that cannot say has none to be shown. */
static int
add_snapshots(struct vm_store *store, const char *name, struct vm_json *record,
    struct vm_error *err)
{
	const char *file = vm_vm_disk_file(vm_json_get(record, "disks.0"));
	VM_CLEAN_FREE char *path = vm_buf_printf(err, "%s/%s", name, file);
	VM_CLEAN_FD int fd = -1;
	size_t count;

	if (path == NULL)
		return -1;
	if (strcmp(vm_json_string(record, "disks.0.format", ""), "qcow2") != 0)
		return 0;
	fd = vm_fd_open_regular(store->fds[VM_STORE_VMS], path, NULL);
	if (fd == -1 || vm_snapshots_count(fd, &count, NULL) == -1)
		return 0;
	return vm_json_set_int(record, "snapshots", (int64_t)count, err);
}

static int
add_usage(struct vm_store *store, const char *name, struct vm_json *record,
    struct vm_error *err)
{
	const char *file = vm_vm_disk_file(vm_json_get(record, "disks.0"));

	if (vm_view_set_usage(record, store, VM_STORE_VMS, name, file, err) ==
	    -1)
		return -1;
	return update_used(store, name, file, record, err);
}

struct vm_json *
vm_view_vm(struct vm_store *store, const struct vm_view_catalog *catalog,
    const char *name, bool usage, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_vm_load(store, name, false,
	    err);

	if (record == NULL || update_state(store, name, record, err) == -1 ||
	    update_drift(catalog, record, err) == -1 ||
	    add_snapshots(store, name, record, err) == -1)
		return NULL;
	if (usage && add_usage(store, name, record, err) == -1)
		return NULL;
	return VM_TAKE(record);
}
