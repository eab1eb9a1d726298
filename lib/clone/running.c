#include "lib/clone/running.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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

/* An empty overlay on what the VM's disk stands on, or an empty raw file. */
static int
prepare(const struct vm_source *source, struct vm_live_target *target,
    struct vm_error *err)
{
	struct vm_qcow2_options options = {
		.virtual_size = source->chain.virtual_size,
	};
	struct vm_backing backing;

	if (strcmp(target->format, "raw") == 0) {
		target->full = true;
		return ftruncate(target->fd,
			   (off_t)source->chain.virtual_size) == 0 ?
		    0 :
		    vm_error_errno(err, errno, "the copy");
	}
	if (vm_backing_read(source->disk_fd, &backing, err) == -1)
		return -1;
	target->full = backing.file[0] == '\0';
	if (!target->full) {
		options.backing_file = backing.file;
		options.backing_format = backing.format;
	}
	return vm_qcow2_create(target->fd, &options, err);
}

int
vm_running_copy(struct vm_store *store, struct vm_source *source,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_publish_tmpfile(store, VM_STORE_TMP, err);
	struct vm_live_target target = { .fd = fd,
		.format = vm_json_string(source->running, "disks.0.format",
		    "qcow2") };

	if (fd == -1 || prepare(source, &target, err) == -1 ||
	    vm_live_copy(source->running, source->chain.dir_fd, &target, 1,
		err) == -1)
		return -1;
	close(source->disk_fd);
	source->disk_fd = VM_TAKE_FD(fd);
	return 0;
}
