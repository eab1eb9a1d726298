/* doctor_repair.c - see doctor.h: a VM whose bases are lost or changed. */
#include <stdio.h>
#include <string.h>

#include "lib/host/doctor.h"
#include "lib/host/drive.h"
#include "lib/store/image.h"
#include "lib/store/lineage.h"
#include "lib/store/relink.h"
#include "lib/store/vm.h"
#include "lib/store/volume.h"

/* Is all of its chain there and as noted? */
static int
check_chain(struct vm_store *store, const struct vm_json *record,
    struct vm_error *err)
{
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	VM_CLEAN_FD int dir_fd = vm_store_open_object(store, VM_STORE_VMS,
	    vm_json_string(record, "name", ""), err);

	if (dir_fd == -1 || vm_lineage_check(store, record, dir_fd, err) == -1)
		return -1;
	return vm_drive_add(&argv, record, dir_fd, err);
}

/* A master that the VM has as it was needs nothing. */
static int
check_master(struct vm_store *store, const struct vm_json *record,
    const char *file, struct vm_records *findings, struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	VM_CLEAN_FD int dir_fd = vm_store_open_object(store, VM_STORE_VMS, name,
	    err);
	size_t len = strlen(file);
	char id[VM_IMAGE_ID + 8];

	if (dir_fd == -1)
		return -1;
	if (!vm_lineage_is_base(file) || strcmp(file + len - 4, ".raw") != 0 ||
	    vm_lineage_check_file(store, record, dir_fd, file, NULL) == 0)
		return 0;
	snprintf(id, sizeof(id), "%.*s", (int)(len - 4), file);
	return vm_doctor_check_master(store, id, name, findings, err);
}

/* Those that the VM stands on, by what was noted, else by its record. */
static int
check_masters(struct vm_store *store, const struct vm_json *record,
    struct vm_records *findings, struct vm_error *err)
{
	const struct vm_json *chain = vm_json_get(record, "chain");
	char file[96];

	for (size_t i = 0; i < vm_json_count(chain); i++)
		if (check_master(store, record,
			vm_json_string(vm_json_at(chain, i), "name", ""),
			findings, err) == -1)
			return -1;
	if (chain != NULL)
		return 0;
	snprintf(file, sizeof(file), "%.70s.raw",
	    vm_json_string(record, "image.id", ""));
	return check_master(store, record, file, findings, err);
}

/* Of what keeps us from looking nothing is found: the command has failed. */
static int
say_failure(const struct vm_error *failure, struct vm_doctor_finding *finding,
    struct vm_error *err)
{
	if (failure->kind == VM_E_SYSTEM || failure->kind == VM_E_INTERRUPTED) {
		*err = *failure;
		return -1;
	}
	vm_doctor_say_error(finding, VM_DOCTOR_LACKING, failure);
	return 0;
}

static int
relink(struct vm_store *store, const char *name,
    struct vm_doctor_finding *finding, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;
	struct vm_error failure = { 0 };
	bool changed;

	if (vm_relink_vm(store, name, &changed, &failure) == -1 ||
	    (record = vm_vm_load(store, name, false, &failure)) == NULL)
		return say_failure(&failure, finding, err);
	if (check_chain(store, record, &failure) == -1) {
		/* its links are right: it is the disk's own header */
		vm_error_hint(&failure, "vmupgrade --force %s", name);
		return say_failure(&failure, finding, err);
	}
	vm_doctor_say(finding, VM_DOCTOR_OK,
	    changed ? "the chain is whole: linked again" :
		      "the chain is whole");
	return 0;
}

/* Volumes that are in the trash, or that only the VM still has. */
static int
mend_volumes(struct vm_store *store, const struct vm_json *record,
    struct vm_records *findings, struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	VM_CLEAN_FD int dir_fd = vm_store_open_object(store, VM_STORE_VMS, name,
	    err);
	struct vm_doctor_finding finding = { .check = "volumes",
		.used_by = "vmdeploy" };
	struct vm_error failure = { 0 };

	if (dir_fd == -1)
		return -1;
	if (vm_volume_check_all(store, record, dir_fd, NULL) == 0)
		return 0;
	if (vm_volume_mend_all(store, record, &failure) == -1 ||
	    vm_volume_check_all(store, record, dir_fd, &failure) == -1)
		vm_doctor_say_error(&finding, VM_DOCTOR_LACKING, &failure);
	else
		vm_doctor_say(&finding, VM_DOCTOR_OK, "all there: mended");
	return vm_doctor_add(findings, name, &finding, err);
}

int
vm_doctor_repair_vm(struct vm_store *store, const char *name,
    struct vm_records *findings, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_vm_load(store, name, false,
	    err);
	VM_CLEAN_FD int lock = -1;
	struct vm_doctor_finding finding = { .check = "disks",
		.used_by = "vmdeploy" };

	if (record == NULL)
		return -1;
	/* one that runs is not touched, nor is anything fetched for it */
	lock = vm_vm_lock(store, name, VM_LOCK_NO_WAIT, err);
	if (lock == -1) {
		if (err->kind == VM_E_TRY_AGAIN)
			vm_error_hint(err, "vmstop %s", name);
		return -1;
	}
	if (mend_volumes(store, record, findings, err) == -1)
		return -1;
	vm_clean_fd(&lock);
	lock = -1;
	if ((check_chain(store, record, NULL) == -1 &&
		check_masters(store, record, findings, err) == -1) ||
	    relink(store, name, &finding, err) == -1)
		return -1;
	return vm_doctor_add(findings, name, &finding, err);
}
