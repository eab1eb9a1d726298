#include "lib/clone/build.h"

#include <string.h>

#include "lib/base/size.h"
#include "lib/clone/snapshot_vm.h"
#include "lib/disk/copy.h"
#include "lib/disk/qcow2.h"
#include "lib/store/fresh.h"
#include "lib/store/lineage.h"
#include "lib/store/vm.h"

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
	if (size > VM_QCOW2_SIZE_MAX)
		return vm_error_set(err, VM_E_USAGE, "bad_size",
		    "disk: more than 1P");
	if (size > source->chain.virtual_size && source->disk_fd >= 0)
		return vm_error_set(err, VM_E_USAGE, "bad_size",
		    "disk: a copy of a VM keeps its size, %s",
		    vm_size_format(source->chain.virtual_size, false, is));
	*size_bytes = size;
	return 0;
}

/*
 * The disk of a copy of a VM: its contents as they are.  A raw one shares its
 * blocks where it can, or, asked to be a reflink, must.
 */
static int
copy_disk(const struct vm_source *source, struct vm_json *disk, bool copy_ok,
    int fd, struct vm_error *err)
{
	const char *mode = vm_json_string(disk, "mode", NULL);
	bool must = mode != NULL && strcmp(mode, "reflink") == 0 && !copy_ok;
	bool may = source->is_raw &&
	    (mode == NULL || strcmp(mode, "reflink") == 0);

	if (may) {
		if (vm_copy_share(source->disk_fd, fd, err) == 0)
			return vm_json_set_string(disk, "mode", "reflink", err);
		if (must)
			return -1;
		vm_error_clear(err);
	}
	if (vm_copy_sparse(source->disk_fd, fd, err) == -1)
		return -1;
	return vm_json_set_string(disk, "mode",
	    source->is_raw ? "copy" : "overlay", err);
}

static int
make_copy(const struct vm_source *source, struct vm_json *disk, bool copy_ok,
    struct vm_publish *publish, struct vm_error *err)
{
	const char *file = source->is_raw ? "disk.raw" : "disk.qcow2";
	VM_CLEAN_FD int fd = vm_publish_create(publish, file, err);

	if (fd == -1 || copy_disk(source, disk, copy_ok, fd, err) == -1 ||
	    (!source->is_raw &&
		vm_snapshot_vm_drop(publish->dir_fd, file, fd, err) == -1))
		return -1;
	if (vm_fresh_describe(disk, source->chain.virtual_size, err) == -1)
		return -1;
	return vm_publish_seal(publish, fd, 0600, err);
}

static int
make_disk(const struct vm_source *source, struct vm_json *disk, bool copy_ok,
    uint64_t size_bytes, struct vm_publish *publish, struct vm_error *err)
{
	int rc;

	if (source->disk_fd >= 0)
		rc = make_copy(source, disk, copy_ok, publish, err);
	else if ((rc = vm_fresh_describe(disk, size_bytes, err)) == 0)
		rc = vm_fresh_make(publish, &source->chain, disk, copy_ok, err);
	if (rc == -1 && err != NULL && strcmp(err->code, "no_reflink") == 0)
		vm_error_hint(err,
		    "vmclone with --copy-ok, or with --mode overlay");
	return rc;
}

/* The lock file outlives every replacement of the directory. */
static int
make_lock(int lock_from, struct vm_publish *publish, struct vm_error *err)
{
	if (lock_from >= 0)
		return vm_publish_link(publish, lock_from, "lock", "lock", err);
	return vm_publish_write(publish, "lock", 0600, "", 0, err);
}

int
vm_build_clone(const struct vm_source *source, struct vm_json *record,
    bool copy_ok, int lock_from, struct vm_publish *publish,
    struct vm_error *err)
{
	struct vm_json *disk = vm_json_get(record, "disks.0");
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	uint64_t size_bytes;

	if (vm_build_disk_size(record, source, &size_bytes, err) == -1 ||
	    make_disk(source, disk, copy_ok, size_bytes, publish, err) == -1 ||
	    vm_fresh_link(publish, &source->chain, disk, err) == -1 ||
	    make_lock(lock_from, publish, err) == -1 ||
	    vm_lineage_note(publish->dir_fd, record, err) == -1 ||
	    vm_vm_format(record, &text, err) == -1)
		return -1;
	return vm_publish_write(publish, "vm.json", 0600, text.data, text.len,
	    err);
}
