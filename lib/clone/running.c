#include "lib/clone/running.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/disk/backing.h"
#include "lib/disk/qcow2.h"
#include "lib/qemu/live.h"
#include "lib/qemu/process.h"
#include "lib/store/publish.h"
#include "lib/store/vm.h"

int
vm_running_find(struct vm_store *store, const char *name,
    struct vm_source *source, struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	VM_CLEAN_JSON struct vm_json *record = vm_vm_load(store, name, false,
	    NULL);

	if (err->kind != VM_E_TRY_AGAIN || record == NULL ||
	    vm_process_connect(record, source->chain.dir_fd, VM_PROCESS_ASK_MS,
		&qmp, NULL) == -1)
		return -1;
	vm_error_clear(err);
	source->running = VM_TAKE(record);
	return 0;
}

/* The copies under way; the descriptors are ours until all is done. */
struct copies {
	struct vm_live_target targets[VM_LIVE_MAX];
	size_t count;
};

static void
close_copies(struct copies *copies)
{
	for (size_t i = 0; i < copies->count; i++)
		vm_clean_fd(&copies->targets[i].fd);
}

/* An empty overlay on what the disk stands on, or an empty raw file. */
static int
prepare(int disk_fd, uint64_t size, struct vm_live_target *target,
    struct vm_error *err)
{
	struct vm_qcow2_options options = { .virtual_size = size };
	struct vm_backing backing;

	if (strcmp(target->format, "raw") == 0) {
		target->full = true;
		return ftruncate(target->fd, (off_t)size) == 0 ?
		    0 :
		    vm_error_errno(err, errno, "the copy");
	}
	if (vm_backing_read(disk_fd, &backing, err) == -1)
		return -1;
	target->full = backing.file[0] == '\0';
	if (!target->full) {
		options.backing_file = backing.file;
		options.backing_format = backing.format;
	}
	return vm_qcow2_create(target->fd, &options, err);
}

static int
add_copy(struct vm_store *store, const struct vm_source *source, size_t i,
    struct copies *copies, struct vm_error *err)
{
	const struct vm_json *disk = vm_json_at(vm_json_get(source->running,
						    "disks"),
	    i);
	struct vm_live_target *target = &copies->targets[copies->count];
	uint64_t size = source->chain.virtual_size;
	VM_CLEAN_FD int fd = -1;

	if (copies->count == VM_LIVE_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_record",
		    "the VM has more than %d disks", VM_LIVE_MAX);
	if (i > 0) {
		fd = vm_fd_open_regular(source->chain.dir_fd,
		    vm_vm_disk_file(disk), err);
		if (fd == -1 || vm_qcow2_virtual_size(fd, &size, err) == -1)
			return -1;
	}
	*target = (struct vm_live_target){ .disk = i,
		.fd = vm_publish_tmpfile(store, VM_STORE_TMP, err),
		.format = vm_json_string(disk, "format", "qcow2") };
	if (target->fd == -1)
		return -1;
	copies->count++;
	return prepare(i == 0 ? source->disk_fd : fd, size, target, err);
}

/* The copies take the places of the disks. */
static void
take_copies(struct vm_source *source, struct copies *copies)
{
	const struct vm_json *disks = vm_json_get(source->running, "disks");

	close(source->disk_fd);
	source->disk_fd = VM_TAKE_FD(copies->targets[0].fd);
	for (size_t i = 1; i < copies->count; i++) {
		struct vm_live_target *target = &copies->targets[i];
		struct vm_source_disk *disk =
		    &source->further[source->further_count++];

		disk->name = vm_json_string(vm_json_at(disks, target->disk),
		    "name", "");
		disk->fd = VM_TAKE_FD(target->fd);
	}
}

int
vm_running_copy(struct vm_store *store, struct vm_source *source,
    struct vm_error *err)
{
	VM_CLEAN(close_copies) struct copies copies = { .count = 0 };
	const struct vm_json *disks = vm_json_get(source->running, "disks");

	for (size_t i = 0; i < vm_json_count(disks); i++)
		if ((i == 0 ||
			vm_json_get(vm_json_at(disks, i), "volume") == NULL) &&
		    add_copy(store, source, i, &copies, err) == -1)
			return -1;
	if (vm_live_copy(source->running, source->chain.dir_fd, copies.targets,
		copies.count, err) == -1)
		return -1;
	take_copies(source, &copies);
	return 0;
}
