#include "lib/clone/rollback.h"

#include <stdio.h>

#include "lib/base/fd.h"
#include "lib/clone/snapshot_note.h"
#include "lib/disk/copy.h"
#include "lib/disk/qcow2.h"
#include "lib/qemu/img.h"
#include "lib/record/uuid.h"
#include "lib/store/publish.h"
#include "lib/store/tool.h"
#include "lib/store/vm.h"

#define META "vm.json"

/* Everything but the disks and vm.json stays what it is. */
static int
link_rest(const struct vm_snapshot_vm *vm, struct vm_publish *publish,
    struct vm_error *err)
{
	const char *made[VM_LIVE_MAX + 2] = { META };
	size_t i;

	for (i = 0; i < vm->count; i++)
		made[i + 1] = vm->disks[i].file;
	return vm_publish_link_rest(publish, vm->dir_fd, made, err);
}

/* Its size, which may have been another one then, goes to the record. */
static int
note_size(const struct vm_snapshot_vm *vm, size_t index, int fd,
    struct vm_error *err)
{
	uint64_t size_bytes;
	char path[32];

	snprintf(path, sizeof(path), "disks.%zu.size", index);
	if (vm_qcow2_virtual_size(fd, &size_bytes, err) == -1)
		return -1;
	return vm_json_set_int(vm->record, path, (int64_t)size_bytes, err);
}

static int
revert_disk(const struct vm_snapshot_vm *vm,
    const struct vm_snapshot_disk *disk, const char *tag,
    struct vm_publish *publish, struct vm_error *err)
{
	VM_CLEAN_FD int from = vm_fd_open_regular(vm->dir_fd, disk->file, err);
	VM_CLEAN_FD int to = from == -1 ?
	    -1 :
	    vm_publish_create(publish, disk->file, err);

	if (to == -1 || vm_copy_sparse(from, to, err) == -1 ||
	    vm_img_snapshot(publish->dir_fd, disk->file, VM_IMG_SNAPSHOT_APPLY,
		tag, -1, err) == -1 ||
	    note_size(vm, disk->index, to, err) == -1)
		return vm_error_wrap(err, "%s", disk->file);
	return vm_publish_seal(publish, to, 0600, err);
}

int
vm_rollback_vm(struct vm_snapshot_vm *vm, const char *tag, struct vm_error *err)
{
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	size_t i;

	if (vm_publish_begin(vm->store, &publish, err) == -1 ||
	    link_rest(vm, &publish, err) == -1)
		return -1;
	for (i = 0; i < vm->count; i++) {
		if (revert_disk(vm, &vm->disks[i], tag, &publish, err) == -1)
			return -1;
	}
	if (vm_snapshot_note_restore(vm, tag, err) == -1 ||
	    vm_uuid_renew_generation(vm->record, err) == -1 ||
	    vm_vm_format(vm->record, &text, err) == -1 ||
	    vm_publish_write(&publish, META, 0600, text.data, text.len, err) ==
		-1)
		return -1;
	return vm_publish_commit(&publish, VM_STORE_VMS, vm->name,
	    VM_PUBLISH_REPLACE, err);
}

/* ---- of a VM that runs ---- */

static int
run_tool(struct vm_store *store, const char *program, const char *name,
    const struct vm_snapshot_options *options, struct vm_error *err)
{
	const struct vm_tool tool = { .program = program,
		.quiet = options->quiet,
		.verbose = options->verbose };
	VM_CLEAN_JSON struct vm_json *record = vm_tool_run_one(store, &tool,
	    name, err);

	return record == NULL ? -1 : 0;
}

/* It has been stopped: look at it again, under its lock now. */
static int
lock_and_revert(struct vm_snapshot_vm *vm, const char *tag,
    struct vm_error *err)
{
	struct vm_store *store = vm->store;
	const char *name = vm->name;
	int rc;

	vm_snapshot_vm_close(vm);
	if (vm_snapshot_vm_open(store, name, vm, err) == -1)
		return -1;
	if (vm->lock_fd == -1)
		return vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
		    "%s: somebody has started it again just now", name);
	rc = vm_rollback_vm(vm, tag, err);
	vm_clean_fd(&vm->lock_fd);
	vm->lock_fd = -1;
	return rc;
}

int
vm_rollback_running(struct vm_snapshot_vm *vm, const char *tag,
    const struct vm_snapshot_options *options, struct vm_error *err)
{
	struct vm_store *store = vm->store;
	const char *name = vm->name;
	struct vm_error not_started = { 0 };

	if (run_tool(store, "vmstop", name, options, err) == -1)
		return vm_error_wrap(err, "%s: cannot be stopped", name);
	if (lock_and_revert(vm, tag, err) == 0) {
		if (options->no_start ||
		    run_tool(store, "vmdeploy", name, options, err) == 0)
			return 0;
		vm_error_wrap(err, "%s: gone back, but not started", name);
		return vm_error_hint(err, "vmdeploy %s", name);
	}
	if (options->no_start ||
	    run_tool(store, "vmdeploy", name, options, &not_started) == 0)
		return vm_error_wrap(err, "not gone back");
	vm_error_wrap(err, "not gone back, and not started again");
	return vm_error_hint(err, "vmdeploy %s", name);
}
