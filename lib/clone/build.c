#include "lib/clone/build.h"

#include "lib/base/size.h"
#include "lib/disk/copy.h"
#include "lib/disk/qcow2.h"
#include "lib/store/lineage.h"
#include "lib/store/vm.h"

#define DISK "disk.qcow2"

int
vm_build_disk_size(const struct vm_json *record, const struct vm_source *source,
    uint64_t *size_bytes, struct vm_error *err)
{
	const struct vm_json *disk = vm_json_get(record, "spec.disk");
	char is[VM_SIZE_TEXT];
	uint64_t size = source->chain.virtual_size;

	if (vm_json_type(disk) == VM_JSON_INT)
		size = (uint64_t)vm_json_int(record, "spec.disk", 0);
	else if (disk != NULL &&
	    vm_size_parse(vm_json_string(record, "spec.disk", ""), &size,
		err) == -1)
		return vm_error_wrap(err, "disk");
	if (size % 512 != 0)
		return vm_error_set(err, VM_E_USAGE, "bad_size",
		    "disk: %llu bytes is not a multiple of 512",
		    (unsigned long long)size);
	if (size < source->chain.virtual_size)
		return vm_error_set(err, VM_E_USAGE, "bad_size",
		    "disk: smaller than the image's %s: disks only grow",
		    vm_size_format(source->chain.virtual_size, false, is));
	if (size > source->chain.virtual_size && source->disk_fd >= 0)
		return vm_error_set(err, VM_E_USAGE, "bad_size",
		    "disk: a copy of a VM keeps its size, %s",
		    vm_size_format(source->chain.virtual_size, false, is));
	*size_bytes = size;
	return 0;
}

static int
write_disk(const struct vm_source *source, uint64_t size_bytes,
    struct vm_publish *publish, struct vm_error *err)
{
	const struct vm_qcow2_options options = {
		.virtual_size = size_bytes,
		.backing_file = source->chain.files[0].name,
		.backing_format = source->chain.files[0].is_raw ? "raw" :
								  "qcow2",
	};
	VM_CLEAN_FD int fd = vm_publish_create(publish, DISK, err);

	if (fd == -1)
		return -1;
	if (source->disk_fd >= 0) {
		if (vm_copy_sparse(source->disk_fd, fd, err) == -1)
			return -1;
	} else if (vm_qcow2_create(fd, &options, err) == -1) {
		return -1;
	}
	return vm_publish_seal(publish, fd, 0600, err);
}

/* The lock file outlives every replacement of the directory. */
static int
make_lock(int lock_from, struct vm_publish *publish, struct vm_error *err)
{
	if (lock_from >= 0)
		return vm_publish_link(publish, lock_from, "lock", "lock", err);
	return vm_publish_write(publish, "lock", 0600, "", 0, err);
}

static int
set_disks(struct vm_json *record, uint64_t size_bytes, struct vm_error *err)
{
	if (vm_json_set(record, "disks", vm_json_new_array(), err) == -1 ||
	    vm_json_set_string(record, "disks.0.path", DISK, err) == -1 ||
	    vm_json_set_string(record, "disks.0.format", "qcow2", err) == -1 ||
	    vm_json_set_string(record, "disks.0.mode", "overlay", err) == -1)
		return -1;
	return vm_json_set_int(record, "disks.0.size", (int64_t)size_bytes,
	    err);
}

int
vm_build_clone(const struct vm_source *source, struct vm_json *record,
    int lock_from, struct vm_publish *publish, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	uint64_t size_bytes;

	if (vm_build_disk_size(record, source, &size_bytes, err) == -1 ||
	    write_disk(source, size_bytes, publish, err) == -1 ||
	    vm_chain_link(&source->chain, publish, err) == -1 ||
	    make_lock(lock_from, publish, err) == -1 ||
	    set_disks(record, size_bytes, err) == -1 ||
	    vm_lineage_note(publish->dir_fd, record, err) == -1 ||
	    vm_vm_format(record, &text, err) == -1)
		return -1;
	return vm_publish_write(publish, "vm.json", 0600, text.data, text.len,
	    err);
}
