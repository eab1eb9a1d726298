#include "lib/store/fresh.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/disk/copy.h"
#include "lib/disk/qcow2.h"
#include "lib/store/use.h"
#include "lib/store/vm.h"

static bool
is_mode(const struct vm_json *disk, const char *mode)
{
	return strcmp(vm_json_string(disk, "mode", "overlay"), mode) == 0;
}

bool
vm_fresh_is_raw(const struct vm_json *disk)
{
	return is_mode(disk, "reflink") || is_mode(disk, "copy");
}

int
vm_fresh_describe(struct vm_json *disk, uint64_t size_bytes,
    struct vm_error *err)
{
	bool is_raw = vm_fresh_is_raw(disk);

	if (vm_json_get(disk, "mode") == NULL &&
	    vm_json_set_string(disk, "mode", "overlay", err) == -1)
		return -1;
	if (vm_json_set_string(disk, "path", is_raw ? "disk.raw" : "disk.qcow2",
		err) == -1 ||
	    vm_json_set_string(disk, "format", is_raw ? "raw" : "qcow2", err) ==
		-1)
		return -1;
	return vm_json_set_int(disk, "size", (int64_t)size_bytes, err);
}

static int
create(struct vm_publish *publish, const char *file, struct vm_error *err)
{
	struct vm_error first = { 0 };
	int fd = vm_publish_create(publish, file, &first);

	if (fd != -1)
		return fd;
	if (first.kind != VM_E_EXISTS) {
		if (err != NULL)
			*err = first;
		return -1;
	}
	if (unlinkat(publish->dir_fd, file, 0) == -1)
		return vm_error_errno(err, errno, "%s", file);
	return vm_publish_create(publish, file, err);
}

static int
make_overlay(int fd, const struct vm_chain *chain, const struct vm_json *disk,
    struct vm_error *err)
{
	struct vm_qcow2_options options = {
		.virtual_size = (uint64_t)vm_json_int(disk, "size", 0),
		.lazy_refcounts = vm_json_bool(disk, "lazy_refcounts", false),
		.extended_l2 = vm_json_bool(disk, "extended_l2", false),
		.backing_file = chain->files[0].name,
		.backing_format = chain->files[0].is_raw ? "raw" : "qcow2",
	};
	int64_t cluster_size = vm_json_int(disk, "cluster_size", 0);

	if (cluster_size > 0)
		options.cluster_bits = (unsigned)
		    __builtin_ctzll((uint64_t)cluster_size);
	return vm_qcow2_create(fd, &options, err);
}

/* The master, which is all of the chain of a clone that is a copy. */
static int
open_master(const struct vm_chain *chain, struct vm_error *err)
{
	const struct vm_chain_file *file = &chain->files[0];
	int fd;

	if (chain->count != 1 || !file->is_raw)
		return vm_error_set(err, VM_E_BUG, "bad_chain",
		    "only a master can be copied");
	fd = vm_fd_open_regular(chain->dir_fd, file->name, err);
	if (fd == -1 && err != NULL && err->kind == VM_E_NO_INPUT) {
		vm_error_set(err, VM_E_NO_INPUT, "image_not_found",
		    "image %s: not in the store any more", chain->image_id);
		vm_error_hint(err, "vmfetch with its source");
	}
	return fd;
}

static int
copy_master(int fd, int master, struct vm_json *disk, bool copy_ok,
    struct vm_error *err)
{
	struct vm_error failure = { 0 };

	if (is_mode(disk, "copy"))
		return vm_copy_sparse(master, fd, err);
	if (vm_copy_share(master, fd, &failure) == 0)
		return 0;
	if (copy_ok && strcmp(failure.code, "no_reflink") == 0)
		return vm_json_set_string(disk, "mode", "copy", err) == -1 ?
		    -1 :
		    vm_copy_sparse(master, fd, err);
	if (err != NULL)
		*err = failure;
	return -1;
}

int
vm_fresh_make(struct vm_publish *publish, const struct vm_chain *chain,
    struct vm_json *disk, bool copy_ok, struct vm_error *err)
{
	VM_CLEAN_FD int fd = create(publish, vm_vm_disk_file(disk), err);
	VM_CLEAN_FD int master = -1;

	if (fd == -1)
		return -1;
	if (!vm_fresh_is_raw(disk)) {
		if (make_overlay(fd, chain, disk, err) == -1)
			return -1;
		return vm_publish_seal(publish, fd, 0600, err);
	}
	if ((master = open_master(chain, err)) == -1 ||
	    copy_master(fd, master, disk, copy_ok, err) == -1)
		return -1;
	if (ftruncate(fd, (off_t)vm_json_int(disk, "size", 0)) == -1)
		return vm_error_errno(err, errno, "%s", vm_vm_disk_file(disk));
	return vm_publish_seal(publish, fd, 0600, err);
}

int
vm_fresh_link(struct vm_publish *publish, const struct vm_chain *chain,
    const struct vm_json *disk, struct vm_error *err)
{
	if (!vm_fresh_is_raw(disk))
		return vm_chain_link(chain, publish, err);
	if (chain->image_id[0] != '\0')
		vm_use_note(publish->store, VM_STORE_IMAGES, chain->image_id);
	return 0;
}
