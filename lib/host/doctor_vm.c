/* doctor_vm.c - see doctor.h: one VM. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/host/doctor.h"
#include "lib/host/doctor_tables.h"
#include "lib/host/drive.h"
#include "lib/host/net.h"
#include "lib/qemu/process.h"
#include "lib/host/words.h"
#include "lib/record/manifest.h"
#include "lib/store/fresh.h"
#include "lib/store/lineage.h"
#include "lib/store/vm.h"
#include "lib/store/volume.h"

struct patient {
	struct vm_store *store;
	const char *name;
	struct vm_json *record;
	int dir_fd;
	bool is_busy;
};

static void
check_spec(const struct patient *vm, struct vm_doctor_finding *finding)
{
	struct vm_error err = { 0 };

	if (vm_manifest_check_role(vm_json_get(vm->record, "spec"), &err) == -1)
		vm_doctor_say_error(finding, VM_DOCTOR_LACKING, &err);
	else
		vm_doctor_say(finding, VM_DOCTOR_OK, "well-formed");
}

static void
check_disks(const struct patient *vm, struct vm_doctor_finding *finding)
{
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	struct vm_error err = { 0 };

	if (vm_lineage_check(vm->store, vm->record, vm->dir_fd, &err) == -1 ||
	    vm_drive_add(&argv, vm->record, vm->dir_fd, &err) == -1)
		vm_doctor_say_error(finding, VM_DOCTOR_LACKING, &err);
	else
		vm_doctor_say(finding, VM_DOCTOR_OK, "%s",
		    vm_fresh_is_raw(vm_json_get(vm->record, "disks.0")) ?
			"whole, standing on nothing" :
			"the chain is whole");
}

static void
check_tables(const struct patient *vm, struct vm_doctor_finding *finding)
{
	if (vm->is_busy)
		vm_doctor_say(finding, VM_DOCTOR_OK,
		    "not looked at while it runs");
	else
		vm_doctor_tables_check(vm->store, vm->name, vm->record,
		    vm->dir_fd, finding);
}

static void
check_volumes(const struct patient *vm, struct vm_doctor_finding *finding)
{
	const struct vm_json *disks = vm_json_get(vm->record, "disks");
	struct vm_error err = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < vm_json_count(disks); i++)
		count += vm_json_get(vm_json_at(disks, i), "volume") != NULL;
	if (vm_volume_check_all(vm->store, vm->record, vm->dir_fd, &err) == -1)
		vm_doctor_say_error(finding, VM_DOCTOR_LACKING, &err);
	else
		vm_doctor_say(finding, VM_DOCTOR_OK,
		    count == 0 ? "has none" : "%zu, all there", count);
}

/* Is it the QEMU of this VM that holds the lock, and how is that? */
static void
check_process(const struct patient *vm, struct vm_doctor_finding *finding)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	VM_CLEAN_JSON struct vm_json *status = NULL;
	struct vm_error err = { 0 };
	const char *word;

	if (!vm->is_busy) {
		vm_doctor_say(finding, VM_DOCTOR_OK, "does not run");
		return;
	}
	if (vm_process_connect(vm->record, vm->dir_fd, VM_PROCESS_ASK_MS, &qmp,
		&err) == -1 ||
	    vm_qmp_call(&qmp, "query-status", NULL, VM_PROCESS_ASK_MS, &status,
		&err) == -1) {
		vm_doctor_say(finding, VM_DOCTOR_LACKING,
		    "its lock is held, yet %.400s", err.message);
		snprintf(finding->fix, sizeof(finding->fix), "vmstop -f %s",
		    vm->name);
		return;
	}
	word = vm_json_string(status, "status", "?");
	vm_doctor_say(finding,
	    strcmp(word, "running") == 0 ? VM_DOCTOR_OK : VM_DOCTOR_LACKING,
	    "QEMU says: %.60s", word);
	if (finding->result == VM_DOCTOR_LACKING)
		snprintf(finding->fix, sizeof(finding->fix),
		    "vmstop -f %s && vmdeploy %s", vm->name, vm->name);
}

/* Of a VM that does not run: could it have its ports and bridges? */
static void
check_networks(const struct patient *vm, struct vm_doctor_finding *finding)
{
	VM_CLEAN_NETS struct vm_nets nets = { .count = 0 };
	struct vm_error err = { 0 };

	if (vm_net_plan(vm->record, vm->store->root, &nets, &err) == -1 ||
	    (!vm->is_busy && vm_net_reserve(&nets, &err) == -1))
		vm_doctor_say_error(finding, VM_DOCTOR_LACKING, &err);
	else
		vm_doctor_say(finding, VM_DOCTOR_OK,
		    vm->is_busy ? "in use by it" :
				  "ports and bridges are free");
}

static void
say_words(const struct patient *vm, const char *file, size_t lines,
    struct vm_doctor_finding *finding)
{
	char words[480];

	vm_words_read(vm->dir_fd, file, lines, words, sizeof(words));
	vm_doctor_say(finding, *words == '\0' ? VM_DOCTOR_OK : VM_DOCTOR_NOTE,
	    "%s", *words == '\0' ? "says nothing" : words);
}

static void
check_qemu_log(const struct patient *vm, struct vm_doctor_finding *finding)
{
	say_words(vm, "qemu.log", 2, finding);
}

static void
check_console(const struct patient *vm, struct vm_doctor_finding *finding)
{
	say_words(vm, "console.log", 3, finding);
	finding->result = VM_DOCTOR_OK;
}

static const struct {
	const char *check;
	void (*look)(const struct patient *vm,
	    struct vm_doctor_finding *finding);
} vm_checks[] = {
	{ "spec", check_spec },
	{ "disks", check_disks },
	{ "tables", check_tables },
	{ "volumes", check_volumes },
	{ "process", check_process },
	{ "networks", check_networks },
	{ "qemu.log", check_qemu_log },
	{ "console", check_console },
};

int
vm_doctor_check_vm(struct vm_store *store, const char *name,
    struct vm_records *findings, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_vm_load(store, name, false,
	    err);
	VM_CLEAN_FD int dir_fd = -1;
	struct patient vm = { .store = store, .name = name, .record = record };
	size_t i;
	int busy;

	if (record == NULL || (busy = vm_vm_is_busy(store, name, err)) == -1 ||
	    (dir_fd = vm_store_open_object(store, VM_STORE_VMS, name, err)) ==
		-1)
		return -1;
	vm.is_busy = busy == 1;
	vm.dir_fd = dir_fd;
	for (i = 0; i < sizeof(vm_checks) / sizeof(*vm_checks); i++) {
		struct vm_doctor_finding finding = {
			.check = vm_checks[i].check, .used_by = "vmdeploy"
		};

		vm_checks[i].look(&vm, &finding);
		if (vm_doctor_add(findings, name, &finding, err) == -1)
			return -1;
	}
	return 0;
}
