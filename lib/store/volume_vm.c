#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/store/durable.h"
#include "lib/store/vm.h"
#include "lib/store/volume.h"

#define DISK "disk.raw"

/* --- growing ---------------------------------------------------------------*/

/* The entry of the volume called name in the record's disks, or NULL. */
static struct vm_json *
find_disk(const struct vm_json *record, const char *name)
{
	const struct vm_json *disks = vm_json_get(record, "disks");

	for (size_t i = 0; i < vm_json_count(disks); i++) {
		struct vm_json *disk = vm_json_at(disks, i);

		if (vm_json_get(disk, "volume") != NULL &&
		    strcmp(vm_json_string(disk, "name", ""), name) == 0)
			return disk;
	}
	return NULL;
}

/* What is wanted of one that is larger than that: that it stays so. */
static struct vm_json *
allow_larger(const struct vm_volume *volume, const struct vm_json *wanted,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *copy = vm_json_copy(wanted);
	uint64_t is = (uint64_t)vm_json_int(volume->facts, "size", 0), size;
	char text[32];

	if (copy == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	snprintf(text, sizeof(text), "%ju", (uintmax_t)is);
	if (vm_size_parse(vm_json_string(wanted, "size", ""), &size, err) ==
		-1 ||
	    (size < is && vm_json_set_string(copy, "size", text, err) == -1))
		return NULL;
	return VM_TAKE(copy);
}

static int
grow(struct vm_store *store, const struct vm_json *wanted, bool may_be_larger,
    struct vm_json *disk, bool *changed, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *allowed = NULL;
	VM_CLEAN_VOLUME struct vm_volume volume = { .dir_fd = -1,
		.lock_fd = -1 };
	int64_t was = vm_json_int(disk, "size", 0), is;
	char text[VM_SIZE_TEXT];

	if (vm_volume_open(store, vm_json_string(disk, "volume", ""), &volume,
		err) == -1 ||
	    (may_be_larger &&
		(allowed = allow_larger(&volume, wanted, err)) == NULL) ||
	    vm_volume_fit(store, &volume, may_be_larger ? allowed : wanted,
		err) == -1)
		return -1;
	is = vm_json_int(volume.facts, "size", 0);
	if (is == was)
		return 0;
	*changed = true;
	vm_log(VM_LOG_INFO, "volume %s: grown to %s", volume.id,
	    vm_size_format((uint64_t)is, false, text));
	return vm_json_set_int(disk, "size", is, err);
}

bool
vm_volume_is_to_grow(struct vm_store *store, const struct vm_json *record,
    const struct vm_json *wanted)
{
	for (size_t i = 0; i < vm_json_count(wanted); i++) {
		const struct vm_json *one = vm_json_at(wanted, i);
		const struct vm_json *disk = find_disk(record,
		    vm_json_string(one, "name", ""));
		char path[VM_VOLUME_ID + sizeof("/" DISK)];
		struct stat st;
		uint64_t size;

		snprintf(path, sizeof(path), "%.*s/" DISK, VM_VOLUME_ID - 1,
		    vm_json_string(disk, "volume", ""));
		if (disk != NULL &&
		    vm_size_parse(vm_json_string(one, "size", ""), &size,
			NULL) == 0 &&
		    fstatat(store->fds[VM_STORE_VOLUMES], path, &st,
			AT_SYMLINK_NOFOLLOW) == 0 &&
		    size != (uint64_t)st.st_size)
			return true;
	}
	return false;
}

int
vm_volume_grow_all(struct vm_store *store, struct vm_json *record,
    bool may_be_larger, bool *changed, struct vm_error *err)
{
	const struct vm_json *wanted = vm_json_get(record, "spec.volumes");

	*changed = false;
	for (size_t i = 0; i < vm_json_count(wanted); i++) {
		const struct vm_json *one = vm_json_at(wanted, i);
		struct vm_json *disk = find_disk(record,
		    vm_json_string(one, "name", ""));

		if (disk != NULL &&
		    grow(store, one, may_be_larger, disk, changed, err) == -1)
			return -1;
	}
	return 0;
}

/* --- checking --------------------------------------------------------------*/

static int
missing(const char *vm, const char *id, const char *what, struct vm_error *err)
{
	vm_error_set(err, VM_E_DATA, "volume_missing", "volume %s: %s", id,
	    what);
	return vm_error_hint(err, "vmdoctor --repair %s", vm);
}

/* Is the volume's disk the file that the VM has? */
static int
check_one(struct vm_store *store, const char *vm, const struct vm_json *disk,
    int dir_fd, struct vm_error *err)
{
	const char *id = vm_json_string(disk, "volume", "");
	char path[VM_VOLUME_ID + sizeof("/" DISK)];
	struct stat own, linked;

	snprintf(path, sizeof(path), "%.*s/" DISK, VM_VOLUME_ID - 1, id);
	if (fstatat(store->fds[VM_STORE_VOLUMES], path, &own,
		AT_SYMLINK_NOFOLLOW) == -1)
		return missing(vm, id, "not in the store", err);
	if (fstatat(dir_fd, vm_vm_disk_file(disk), &linked,
		AT_SYMLINK_NOFOLLOW) == -1)
		return missing(vm, id, "the VM's link to it is missing", err);
	if (own.st_ino != linked.st_ino || own.st_dev != linked.st_dev ||
	    !S_ISREG(own.st_mode))
		return vm_error_set(err, VM_E_DATA, "volume_changed",
		    "volume %s: the VM's %s is another file (was the store "
		    "copied without its hard links?); compare both, and link "
		    "the right one to the other name",
		    id, vm_vm_disk_file(disk));
	return 0;
}

int
vm_volume_check_all(struct vm_store *store, const struct vm_json *record,
    int dir_fd, struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(record, "disks");

	for (size_t i = 0; i < vm_json_count(disks); i++) {
		const struct vm_json *disk = vm_json_at(disks, i);

		if (vm_json_get(disk, "volume") != NULL &&
		    check_one(store, vm_json_string(record, "name", ""), disk,
			dir_fd, err) == -1)
			return -1;
	}
	return 0;
}
