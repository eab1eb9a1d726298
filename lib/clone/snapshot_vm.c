#include "lib/clone/snapshot_vm.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/qemu/img.h"
#include "lib/qemu/process.h"
#include "lib/store/vm.h"

/* Its own disks; a volume is only lent to it. */
static int
list_disks(struct vm_snapshot_vm *vm, struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(vm->record, "disks");
	size_t i;

	for (i = 0; i < vm_json_count(disks); i++) {
		const struct vm_json *disk = vm_json_at(disks, i);
		const char *file = vm_vm_disk_file(disk);

		if (strcmp(vm_json_string(disk, "mode", ""), "volume") == 0)
			continue;
		if (strcmp(vm_json_string(disk, "format", ""), "qcow2") != 0) {
			vm->raw = file;
			continue;
		}
		if (vm->count == VM_LIVE_MAX)
			return vm_error_set(err, VM_E_DATA, "bad_record",
			    "%s: more than %d disks", vm->name, VM_LIVE_MAX);
		vm->disks[vm->count].index = i;
		vm->disks[vm->count++].file = file;
	}
	return 0;
}

int
vm_snapshot_vm_read(struct vm_snapshot_vm *vm, struct vm_error *err)
{
	size_t i;

	for (i = 0; i < vm->count; i++) {
		struct vm_snapshot_disk *disk = &vm->disks[i];
		VM_CLEAN_FD int fd = vm_fd_open_regular(vm->dir_fd, disk->file,
		    err);

		vm_snapshots_release(&disk->snapshots);
		if (fd == -1 ||
		    vm_snapshots_read(fd, &disk->snapshots, err) == -1)
			return vm_error_wrap(err, "%s: %s", vm->name,
			    disk->file);
	}
	return 0;
}

static int
load(struct vm_snapshot_vm *vm, struct vm_error *err)
{
	vm->dir_fd = vm_store_open_object(vm->store, VM_STORE_VMS, vm->name,
	    err);
	if (vm->dir_fd == -1)
		return -1;
	vm->record = vm_vm_load(vm->store, vm->name, true, err);
	return vm->record == NULL ? -1 : list_disks(vm, err);
}

/* Busy: does it run? */
static int
find_running(const struct vm_snapshot_vm *vm)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;

	return vm_process_connect(vm->record, vm->dir_fd, VM_PROCESS_ASK_MS,
	    &qmp, NULL);
}

int
vm_snapshot_vm_open(struct vm_store *store, const char *name,
    struct vm_snapshot_vm *vm, struct vm_error *err)
{
	VM_CLEAN_SNAPSHOT_VM struct vm_snapshot_vm fresh = {
		.store = store, .name = name, .dir_fd = -1
	};
	struct vm_error busy = { 0 };

	fresh.lock_fd = vm_vm_lock(store, name, VM_LOCK_NO_WAIT, &busy);
	if (fresh.lock_fd == -1 && busy.kind != VM_E_TRY_AGAIN) {
		*err = busy;
		return -1;
	}
	if (load(&fresh, err) == -1)
		return -1;
	if (fresh.lock_fd == -1 && find_running(&fresh) == -1) {
		*err = busy;
		return -1;
	}
	if (vm_snapshot_vm_read(&fresh, err) == -1)
		return -1;
	*vm = fresh;
	fresh = (struct vm_snapshot_vm)VM_SNAPSHOT_VM_CLOSED;
	return 0;
}

int
vm_snapshot_vm_look(struct vm_store *store, const char *name,
    struct vm_snapshot_vm *vm, struct vm_error *err)
{
	VM_CLEAN_SNAPSHOT_VM struct vm_snapshot_vm fresh = {
		.store = store, .name = name, .dir_fd = -1, .lock_fd = -1
	};

	if (load(&fresh, err) == -1 || vm_snapshot_vm_read(&fresh, err) == -1)
		return -1;
	*vm = fresh;
	fresh = (struct vm_snapshot_vm)VM_SNAPSHOT_VM_CLOSED;
	return 0;
}

void
vm_snapshot_vm_close(struct vm_snapshot_vm *vm)
{
	size_t i;

	for (i = 0; i < vm->count; i++)
		vm_snapshots_release(&vm->disks[i].snapshots);
	vm_json_free(vm->record);
	vm_clean_fd(&vm->dir_fd);
	vm_clean_fd(&vm->lock_fd);
	*vm = (struct vm_snapshot_vm)VM_SNAPSHOT_VM_CLOSED;
}

size_t
vm_snapshot_vm_find(const struct vm_snapshot_vm *vm, const char *tag,
    size_t indices[VM_LIVE_MAX])
{
	size_t count = 0, i;

	for (i = 0; i < vm->count; i++) {
		if (vm_snapshots_find(&vm->disks[i].snapshots, tag) != NULL)
			indices[count++] = vm->disks[i].index;
	}
	return count;
}

int
vm_snapshot_vm_miss(const struct vm_snapshot_vm *vm, const char *tag,
    struct vm_error *err)
{
	vm_error_set(err, VM_E_NO_INPUT, "snapshot_not_found",
	    "%s: it has no snapshot %s", vm->name, tag);
	return vm_error_hint(err, "vmsnap -l %s", vm->name);
}

int
vm_snapshot_vm_describe(const struct vm_snapshot_vm *vm, const char *tag,
    struct vm_json *record, struct vm_error *err)
{
	const struct vm_snapshot *first = NULL, *found;
	uint64_t size_bytes = 0, state_bytes = 0;
	char created[VM_CLOCK_TEXT];
	size_t i, has = 0;

	for (i = 0; i < vm->count; i++) {
		found = vm_snapshots_find(&vm->disks[i].snapshots, tag);
		if (found == NULL)
			continue;
		first = first == NULL ? found : first;
		size_bytes += found->virtual_size;
		state_bytes += found->state_bytes;
		has++;
	}
	if (first == NULL)
		return vm_snapshot_vm_miss(vm, tag, err);
	if (vm_json_set_string(record, "tag", tag, err) == -1 ||
	    vm_json_set_string(record, "created",
		vm_clock_format(first->created_s, created), err) == -1 ||
	    vm_json_set_int(record, "size", (int64_t)size_bytes, err) == -1 ||
	    vm_json_set_string(record, "vm_state",
		state_bytes > 0 ? "yes" : "no", err) == -1)
		return -1;
	return vm_json_set_string(record, "state",
	    has == vm->count ? "complete" : "partial", err);
}

int
vm_snapshot_vm_drop(int dir_fd, const char *file, int fd, struct vm_error *err)
{
	VM_CLEAN_SNAPSHOTS struct vm_snapshots snapshots = { 0 };
	size_t i;

	if (vm_snapshots_read(fd, &snapshots, err) == -1)
		return -1;
	for (i = 0; i < snapshots.count; i++) {
		if (vm_img_snapshot(dir_fd, file, VM_IMG_SNAPSHOT_DELETE,
			snapshots.items[i].name, -1, err) == -1)
			return -1;
	}
	return 0;
}
