#include "lib/clone/disks.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/clone/snapshot_vm.h"
#include "lib/disk/backing.h"
#include "lib/disk/copy.h"
#include "lib/disk/qcow2.h"
#include "lib/store/alias.h"
#include "lib/store/fresh.h"

#define FILE_NAME (VM_VOLUME_NAME_MAX + sizeof(".qcow2"))

/* ---- data disks ---- */

/* One that is being made. */
struct data_disk {
	const struct vm_source *source;
	const struct vm_json *wanted;
	struct vm_publish *publish;
	struct vm_json *entry;
	char file[FILE_NAME];
};

/* Link the master below it, unless the system disk or another one has. */
static int
link_base(const struct data_disk *disk, const struct vm_json *record,
    int dir_fd, const char *base, struct vm_error *err)
{
	const struct vm_chain *chain = &disk->source->chain;
	bool is_raw = vm_fresh_is_raw(vm_json_get(record, "disks.0"));

	for (size_t i = 0; i < chain->count && !is_raw; i++)
		if (strcmp(chain->files[i].name, base) == 0)
			return 0;
	if (faccessat(disk->publish->dir_fd, base, F_OK, 0) == 0)
		return 0;
	return vm_publish_link(disk->publish, dir_fd, base, base, err);
}

static int
seal(const struct data_disk *disk, int fd, struct vm_error *err)
{
	return vm_publish_seal(disk->publish, fd, 0600, err);
}

static int
describe(const struct data_disk *disk, uint64_t size, const char *image,
    struct vm_error *err)
{
	const char *alias = vm_json_string(disk->wanted, "image", NULL);
	struct vm_json *entry = disk->entry;

	if (vm_json_set_string(entry, "name",
		vm_json_string(disk->wanted, "name", ""), err) == -1 ||
	    vm_json_set_string(entry, "path", disk->file, err) == -1 ||
	    vm_json_set_string(entry, "format", "qcow2", err) == -1 ||
	    vm_json_set_string(entry, "mode",
		image != NULL ? "overlay" : "empty", err) == -1 ||
	    vm_json_set_int(entry, "size", (int64_t)size, err) == -1)
		return -1;
	if (image != NULL &&
	    vm_json_set_string(entry, "image", image, err) == -1)
		return -1;
	return alias != NULL ? vm_json_set_string(entry, "alias", alias, err) :
			       0;
}

static int
make_empty(const struct data_disk *disk, int fd, struct vm_error *err)
{
	struct vm_qcow2_options options = { .virtual_size = 0 };

	if (vm_size_parse(vm_json_string(disk->wanted, "size", ""),
		&options.virtual_size, err) == -1 ||
	    vm_qcow2_create(fd, &options, err) == -1)
		return -1;
	return describe(disk, options.virtual_size, NULL, err);
}

static int
make_overlay(const struct data_disk *disk, const struct vm_json *record, int fd,
    struct vm_error *err)
{
	struct vm_store *store = disk->publish->store;
	const char *text = vm_json_string(disk->wanted, "image", "");
	VM_CLEAN_CHAIN struct vm_chain chain = { .dir_fd = -1 };
	struct vm_qcow2_options options = { .backing_format = "raw" };
	struct vm_alias alias;

	if (vm_alias_resolve(store, text, &alias, err) == -1 ||
	    vm_chain_open_image(store, alias.id, &chain, err) == -1) {
		if (err != NULL && err->kind == VM_E_NO_INPUT)
			vm_error_hint(err, "vmfetch %s", text);
		return -1;
	}
	options.virtual_size = chain.virtual_size;
	options.backing_file = chain.files[0].name;
	if (vm_qcow2_create(fd, &options, err) == -1 ||
	    link_base(disk, record, chain.dir_fd, options.backing_file, err) ==
		-1)
		return -1;
	return describe(disk, chain.virtual_size, alias.id, err);
}

/* The same disk of the VM that is being copied. */
static int
make_copy(const struct data_disk *disk, const struct vm_json *record, int from,
    int fd, struct vm_error *err)
{
	struct vm_backing below;
	uint64_t size;
	char *dot;

	if (vm_qcow2_virtual_size(from, &size, err) == -1 ||
	    vm_backing_read(from, &below, err) == -1 ||
	    vm_copy_sparse(from, fd, err) == -1 ||
	    vm_snapshot_vm_drop(disk->publish->dir_fd, disk->file, fd, err) ==
		-1)
		return -1;
	if (below.file[0] == '\0')
		return describe(disk, size, NULL, err);
	if (link_base(disk, record, disk->source->chain.dir_fd, below.file,
		err) == -1)
		return -1;
	dot = strrchr(below.file, '.');
	if (dot != NULL)
		*dot = '\0';
	return describe(disk, size, below.file, err);
}

/* Is there such a disk in the VM that is copied?  Else -1 without an error. */
static int
open_original(const struct data_disk *disk)
{
	const struct vm_source *source = disk->source;

	for (size_t i = 0; i < source->further_count; i++)
		if (strcmp(source->further[i].name,
			vm_json_string(disk->wanted, "name", "")) == 0)
			return fcntl(source->further[i].fd, F_DUPFD_CLOEXEC, 0);
	return source->disk_fd == -1 || source->running != NULL ?
	    -1 :
	    vm_fd_open_regular(source->chain.dir_fd, disk->file, NULL);
}

static int
add_data_disk(const struct vm_source *source, const struct vm_json *wanted,
    struct vm_json *record, struct vm_publish *publish, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *entry = vm_json_new_object();
	struct data_disk disk = { .source = source,
		.wanted = wanted,
		.publish = publish,
		.entry = entry };
	VM_CLEAN_FD int fd = -1, original = -1;
	int rc;

	if (entry == NULL)
		return vm_error_nomem(err);
	snprintf(disk.file, sizeof(disk.file), "%.*s.qcow2", VM_VOLUME_NAME_MAX,
	    vm_json_string(wanted, "name", ""));
	fd = vm_publish_create(publish, disk.file, err);
	if (fd == -1)
		return -1;
	original = open_original(&disk);
	if (original != -1)
		rc = make_copy(&disk, record, original, fd, err);
	else if (vm_json_get(wanted, "image") != NULL)
		rc = make_overlay(&disk, record, fd, err);
	else
		rc = make_empty(&disk, fd, err);
	if (rc == -1 || seal(&disk, fd, err) == -1)
		return vm_error_wrap(err, "disk %s",
		    vm_json_string(wanted, "name", ""));
	return vm_json_append(vm_json_get(record, "disks"), VM_TAKE(entry),
	    err);
}

/* ---- volumes ---- */

static int
add_volume(const struct vm_json *wanted, struct vm_json *record,
    struct vm_publish *publish, struct vm_disks *disks, struct vm_error *err)
{
	struct vm_volume *volume = &disks->volumes[disks->count];

	if (vm_volume_take(publish->store, vm_json_string(record, "name", ""),
		wanted, publish->durable, volume, err) == -1)
		return -1;
	disks->count++;
	if (!volume->is_new)
		vm_log(VM_LOG_INFO, "volume %s: attached again", volume->id);
	if (vm_volume_link(volume, publish, err) == -1)
		return -1;
	return vm_json_append(vm_json_get(record, "disks"),
	    vm_volume_describe(volume, wanted, err), err);
}

/* ---- all of them ---- */

/* Names tell disks apart in the guest, whichever kind they are. */
static int
check_names(const struct vm_json *record, struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(record, "spec.disks");
	const struct vm_json *volumes = vm_json_get(record, "spec.volumes");

	for (size_t i = 0; i < vm_json_count(disks); i++)
		for (size_t j = 0; j < vm_json_count(volumes); j++) {
			const char *name = vm_json_string(vm_json_at(disks, i),
			    "name", "");

			if (strcmp(name,
				vm_json_string(vm_json_at(volumes, j), "name",
				    "")) == 0)
				return vm_error_set(err, VM_E_USAGE,
				    "bad_disks",
				    "a disk and a volume are both called %s",
				    name);
		}
	return 0;
}

static bool
has_disk(const struct vm_json *record, const struct vm_json *wanted)
{
	const struct vm_json *disks = vm_json_get(record, "disks");

	for (size_t i = 1; i < vm_json_count(disks); i++)
		if (strcmp(vm_json_string(vm_json_at(disks, i), "name", ""),
			vm_json_string(wanted, "name", "-")) == 0)
			return true;
	return false;
}

int
vm_disks_add(const struct vm_source *source, struct vm_json *record,
    struct vm_publish *publish, struct vm_disks *disks, struct vm_error *err)
{
	const struct vm_json *data = vm_json_get(record, "spec.disks");
	const struct vm_json *volumes = vm_json_get(record, "spec.volumes");
	size_t i;

	if (check_names(record, err) == -1)
		return -1;
	for (i = 0; i < vm_json_count(data); i++)
		if (!has_disk(record, vm_json_at(data, i)) &&
		    add_data_disk(source, vm_json_at(data, i), record, publish,
			err) == -1)
			return -1;
	if (vm_json_count(volumes) == 0)
		return 0;
	disks->volumes = calloc(vm_json_count(volumes),
	    sizeof(*disks->volumes));
	if (disks->volumes == NULL)
		return vm_error_nomem(err);
	for (i = 0; i < vm_json_count(volumes); i++)
		if (add_volume(vm_json_at(volumes, i), record, publish, disks,
			err) == -1)
			return -1;
	return 0;
}

int
vm_disks_settle(struct vm_store *store, struct vm_disks *disks,
    const struct vm_json *record, struct vm_error *err)
{
	const struct vm_json *wanted = vm_json_get(record, "spec.volumes");
	int rc = 0;

	for (size_t i = 0; i < disks->count && rc == 0; i++) {
		disks->volumes[i].is_new = false;
		rc = vm_volume_fit(store, &disks->volumes[i],
		    vm_json_at(wanted, i), err);
	}
	for (size_t i = 0; i < disks->count; i++)
		vm_volume_close(&disks->volumes[i]);
	free(disks->volumes);
	*disks = (struct vm_disks){ .count = 0 };
	return rc;
}

void
vm_disks_release(struct vm_store *store, struct vm_disks *disks)
{
	for (size_t i = 0; i < disks->count; i++) {
		vm_volume_discard(store, &disks->volumes[i]);
		vm_volume_close(&disks->volumes[i]);
	}
	free(disks->volumes);
	*disks = (struct vm_disks){ .count = 0 };
}
