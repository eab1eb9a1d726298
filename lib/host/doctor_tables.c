#include "lib/host/doctor_tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/disk/overlay.h"
#include "lib/store/vm.h"

struct found {
	size_t disks;
	uint64_t leaked;  /* clusters */
	const char *file; /* of the last one looked at */
};

static int
check_disk(int dir_fd, const char *file, struct found *found,
    struct vm_error *err)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = vm_overlay_open(dir_fd, file,
	    "qcow2", VM_OVERLAY_READ, err);
	struct vm_overlay_check check;

	found->file = file;
	if (disk == NULL)
		return -1;
	if (vm_overlay_check(disk, &check, err) == -1)
		return vm_error_wrap(err, "%s", file);
	found->leaked = check.leaked;
	found->disks++;
	return 0;
}

/* All of them, up to the first one with something to be said. */
static int
check_disks(const struct vm_json *disks, int dir_fd, struct found *found,
    struct vm_error *err)
{
	for (size_t i = 0; i < vm_json_count(disks); i++) {
		const struct vm_json *disk = vm_json_at(disks, i);

		if (strcmp(vm_json_string(disk, "format", ""), "qcow2") != 0)
			continue;
		if (check_disk(dir_fd, vm_vm_disk_file(disk), found, err) == -1)
			return -1;
		if (found->leaked > 0)
			return 0;
	}
	return 0;
}

static void
say_fix(const struct vm_store *store, const char *name, const char *what,
    const struct found *found, struct vm_doctor_finding *finding)
{
	snprintf(finding->fix, sizeof(finding->fix),
	    "qemu-img check -r %s %s/vms/%s/%s", what, store->root, name,
	    found->file);
}

void
vm_doctor_tables_check(const struct vm_store *store, const char *name,
    const struct vm_json *record, int dir_fd, struct vm_doctor_finding *finding)
{
	const struct vm_json *disks = vm_json_get(record, "disks");
	struct found found = { .disks = 0 };
	struct vm_error err = { 0 };

	if (check_disks(disks, dir_fd, &found, &err) == -1) {
		vm_doctor_say_error(finding, VM_DOCTOR_LACKING, &err);
		if (err.kind == VM_E_DATA)
			say_fix(store, name, "all", &found, finding);
	} else if (found.leaked > 0) {
		vm_doctor_say(finding, VM_DOCTOR_NOTE,
		    "%s: %" PRIu64 " clusters are held by nothing", found.file,
		    found.leaked);
		say_fix(store, name, "leaks", &found, finding);
	} else {
		vm_doctor_say(finding, VM_DOCTOR_OK,
		    found.disks == 0 ? "none, the disks are raw" : "sound");
	}
}
