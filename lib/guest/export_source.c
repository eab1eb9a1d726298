#include "lib/guest/export_source.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/disk/backing.h"
#include "lib/disk/qcow2.h"
#include "lib/guest/disk_file.h"
#include "lib/qemu/live.h"
#include "lib/qemu/process.h"
#include "lib/store/lineage.h"
#include "lib/store/vm.h"

/* The VM's disk in our object: a name that nothing below it can have. */
#define TOP "top"

static int
find_disk(const char *name, struct vm_export_source *source,
    struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(source->record, "disks");
	const char *vm = vm_json_string(source->record, "name", "");

	source->is_system = name == NULL;
	source->disk = 0;
	if (name == NULL)
		return 0;
	for (size_t i = 1; i < vm_json_count(disks); i++)
		if (strcmp(vm_json_string(vm_json_at(disks, i), "name", ""),
			name) == 0) {
			source->disk = i;
			return 0;
		}
	vm_error_set(err, VM_E_NO_INPUT, "disk_not_found",
	    "%s: it has no disk named %s", vm, name);
	return vm_error_hint(err, "vmls -o disks %s", vm);
}

/* One more file below; its name goes into a list of options for QEMU. */
static int
add_file(struct vm_chain *chain, const char *name, bool is_raw,
    struct vm_error *err)
{
	struct vm_chain_file *file = &chain->files[chain->count];
	size_t size = strlen(name) + 1;

	if (chain->count == VM_CHAIN_MAX || size > sizeof(file->name) ||
	    name[0] == '\0' || strpbrk(name, ",/") != NULL)
		return vm_error_set(err, VM_E_DATA, "bad_chain",
		    "%s: not a file of a chain of ours", name);
	memcpy(file->name, name, size);
	file->is_raw = is_raw;
	chain->count++;
	return 0;
}

/* From the disk down, as the headers say. */
static int
read_chain(struct vm_export_source *source, struct vm_error *err)
{
	struct vm_chain *chain = &source->chain;

	for (size_t i = 0; i < chain->count; i++) {
		const struct vm_chain_file *file = &chain->files[i];
		VM_CLEAN_FD int fd = vm_fd_open_regular(source->vm_fd,
		    file->name, err);
		struct vm_backing backing = { .file = "" };

		if (fd == -1)
			return -1;
		if (!file->is_raw && vm_backing_read(fd, &backing, err) == -1)
			return vm_error_wrap(err, "%s", file->name);
		if (backing.file[0] != '\0' &&
		    add_file(chain, backing.file,
			strcmp(backing.format, "raw") == 0, err) == -1)
			return -1;
	}
	return 0;
}

static int
read_size(struct vm_export_source *source, struct vm_error *err)
{
	struct vm_chain *chain = &source->chain;
	VM_CLEAN_FD int fd = vm_fd_open_regular(source->vm_fd,
	    chain->files[0].name, err);
	struct stat st;

	if (fd == -1)
		return -1;
	if (!chain->files[0].is_raw)
		return vm_qcow2_virtual_size(fd, &chain->virtual_size, err);
	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", chain->files[0].name);
	chain->virtual_size = (uint64_t)st.st_size;
	return 0;
}

/* The VM's lock could not be had: is that because it runs? */
static int
check_running(const char *name, struct vm_export_source *source,
    struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;

	if (source->lock_fd != -1 ||
	    vm_process_connect(source->record, source->vm_fd, VM_PROCESS_ASK_MS,
		&qmp, NULL) == 0)
		return 0;
	vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
	    "%s: another command works on it", name);
	return -1;
}

static int
lock_vm(struct vm_store *store, const char *name,
    struct vm_export_source *source, struct vm_error *err)
{
	struct vm_error busy = { 0 };

	source->lock_fd = vm_vm_lock_shared(store, name, &busy);
	if (source->lock_fd == -1 && busy.kind != VM_E_TRY_AGAIN) {
		*err = busy;
		return -1;
	}
	source->record = vm_vm_load(store, name, false, err);
	if (source->record == NULL)
		return -1;
	source->vm_fd = vm_store_open_object(store, VM_STORE_VMS, name, err);
	return source->vm_fd == -1 ? -1 : check_running(name, source, err);
}

int
vm_export_source_open(struct vm_store *store, const char *name,
    const char *disk, struct vm_export_source *source, struct vm_error *err)
{
	const struct vm_json *found;

	source->chain = (struct vm_chain){ .dir_fd = -1 };
	if (lock_vm(store, name, source, err) == -1 ||
	    find_disk(disk, source, err) == -1 ||
	    vm_lineage_check(store, source->record, source->vm_fd, err) == -1)
		return -1;
	found = vm_json_at(vm_json_get(source->record, "disks"), source->disk);
	if (add_file(&source->chain, vm_vm_disk_file(found),
		strcmp(vm_json_string(found, "format", "qcow2"), "raw") == 0,
		err) == -1 ||
	    read_chain(source, err) == -1 || read_size(source, err) == -1)
		return vm_error_wrap(err, "%s", name);
	return 0;
}

/* A disk like the VM's with nothing in it yet, below it the same files. */
static int
make_empty(const struct vm_export_source *source, int fd, struct vm_error *err)
{
	const struct vm_chain *chain = &source->chain;
	struct vm_qcow2_options options = {
		.virtual_size = chain->virtual_size,
	};

	if (chain->files[0].is_raw)
		return ftruncate(fd, (off_t)chain->virtual_size) == 0 ?
		    0 :
		    vm_error_errno(err, errno, "the copy");
	if (chain->count > 1) {
		options.backing_file = chain->files[1].name;
		options.backing_format = chain->files[1].is_raw ? "raw" :
								  "qcow2";
	}
	return vm_qcow2_create(fd, &options, err);
}

/* The disk of a VM that runs, by its QEMU. */
static int
copy_top(struct vm_export_source *source, struct vm_error *err)
{
	const struct vm_chain *chain = &source->chain;
	VM_CLEAN_FD int fd = vm_publish_create(&source->publish, TOP, err);
	const struct vm_live_target target = {
		.disk = source->disk,
		.fd = fd,
		.format = chain->files[0].is_raw ? "raw" : "qcow2",
		.full = chain->count == 1,
	};

	if (fd == -1 || make_empty(source, fd, err) == -1)
		return -1;
	return vm_live_copy(source->record, source->vm_fd, &target, 1, err);
}

int
vm_export_source_take(struct vm_store *store, struct vm_export_source *source,
    struct vm_error *err)
{
	struct vm_chain *chain = &source->chain;
	bool runs = source->lock_fd == -1;

	if (vm_publish_begin(store, &source->publish, err) == -1 ||
	    (runs && copy_top(source, err) == -1))
		return -1;
	for (size_t i = runs ? 1 : 0; i < chain->count; i++) {
		struct vm_chain_file *file = &chain->files[i];

		if (vm_publish_link(&source->publish, source->vm_fd, file->name,
			i == 0 ? TOP : file->name, err) == -1)
			return -1;
	}
	snprintf(chain->files[0].name, sizeof(chain->files[0].name), TOP);
	chain->dir_fd = source->publish.dir_fd;
	return 0;
}

int
vm_export_source_cover(struct vm_export_source *source, const char *file,
    struct vm_error *err)
{
	struct vm_chain *chain = &source->chain;

	if (strcmp(chain->files[0].name, file) == 0) {
		/* once more: that one does not count */
		memmove(&chain->files[0], &chain->files[1],
		    --chain->count * sizeof(chain->files[0]));
	}
	if (chain->count == VM_CHAIN_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_chain",
		    "the disk stands on too many others");
	if (vm_disk_file_make(&source->publish, file, chain,
		chain->virtual_size, err) == -1)
		return -1;
	memmove(&chain->files[1], &chain->files[0],
	    chain->count++ * sizeof(chain->files[0]));
	snprintf(chain->files[0].name, sizeof(chain->files[0].name), "%s",
	    file);
	chain->files[0].is_raw = false;
	return 0;
}

void
vm_export_source_close(struct vm_export_source *source)
{
	vm_publish_abort(&source->publish);
	vm_clean_fd(&source->vm_fd);
	vm_clean_fd(&source->lock_fd);
	vm_json_free(source->record);
	*source = (struct vm_export_source)VM_EXPORT_SOURCE_NONE;
}
