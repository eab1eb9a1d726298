#include "lib/clone/snapshot.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/clone/rollback.h"
#include "lib/clone/snapshot_note.h"
#include "lib/clone/snapshot_vm.h"
#include "lib/qemu/img.h"
#include "lib/store/lineage.h"
#include "lib/store/old.h"
#include "lib/store/vm.h"

#define TOOL "vmsnap"

/* ---- names ---- */

static int
check_tag(const char *tag, struct vm_error *err)
{
	/* QEMU looks for a number among its own first. */
	if (vm_record_check_name(tag, NULL) == 0 &&
	    tag[strspn(tag, "0123456789")] != '\0')
		return 0;
	return vm_error_set(err, VM_E_USAGE, "bad_tag",
	    "\"%.80s\" is no tag: lower-case letters, digits and dashes, not "
	    "digits alone",
	    tag);
}

struct vm_json *
vm_snapshot_resolve(void *store, const char *name, struct vm_error *err)
{
	VM_CLEAN_FREE char *vm = strdup(name);
	VM_CLEAN_JSON struct vm_json *record = NULL;
	char *at;

	if (vm == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if ((at = strchr(vm, '@')) == NULL) {
		vm_error_set(err, VM_E_USAGE, "bad_tag",
		    "%.80s: no tag: a snapshot is NAME@TAG", name);
		if (vm_record_check_name(name, NULL) == 0)
			vm_error_hint(err, "vmsnap -l %s", name);
		return NULL;
	}
	*at++ = '\0';
	if (vm_record_check_name(vm, err) == -1 || check_tag(at, err) == -1)
		return NULL;
	record = vm_vm_load(store, vm, false, err);
	if (record == NULL ||
	    vm_json_set(record, "snapshot", vm_json_new_object(), err) == -1 ||
	    vm_json_set_string(record, "snapshot.tag", at, err) == -1)
		return NULL;
	return VM_TAKE(record);
}

/* ---- the three ---- */

/* qemu-img on each of these disks; *done says how far it came. */
static int
change_stopped(const struct vm_snapshot_vm *vm, const size_t *indices,
    size_t count, enum vm_img_snapshot what, const char *tag, size_t *done,
    struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(vm->record, "disks");

	for (*done = 0; *done < count; ++*done) {
		const char *file = vm_vm_disk_file(vm_json_at(disks,
		    indices[*done]));

		if (vm_img_snapshot(vm->dir_fd, file, what, tag, vm->lock_fd,
			err) == -1)
			return vm_error_wrap(err, "%s: %s", vm->name, file);
	}
	return 0;
}

static int
delete_from(const struct vm_snapshot_vm *vm, const size_t *indices,
    size_t count, const char *tag, struct vm_error *err)
{
	size_t done;

	if (vm->lock_fd == -1)
		return vm_live_delete(vm->record, vm->dir_fd, indices, count,
		    tag, err);
	return change_stopped(vm, indices, count, VM_IMG_SNAPSHOT_DELETE, tag,
	    &done, err);
}

static int
delete_tag(const struct vm_snapshot_vm *vm, const char *tag, bool dry_run,
    struct vm_error *err)
{
	size_t has[VM_LIVE_MAX];
	size_t count = vm_snapshot_vm_find(vm, tag, has);

	if (count == 0)
		return vm_snapshot_vm_miss(vm, tag, err);
	if (dry_run)
		return 0;
	if (delete_from(vm, has, count, tag, err) == -1)
		return -1;
	vm_snapshot_note_remove(vm, tag);
	return 0;
}

static int
make_on_all(const struct vm_snapshot_vm *vm, const char *tag,
    struct vm_error *err)
{
	size_t all[VM_LIVE_MAX], done, i;

	for (i = 0; i < vm->count; i++)
		all[i] = vm->disks[i].index;
	if (vm->lock_fd == -1)
		return vm_live_snapshot(vm->record, vm->dir_fd, all, vm->count,
		    tag, err);
	if (change_stopped(vm, all, vm->count, VM_IMG_SNAPSHOT_MAKE, tag, &done,
		err) == 0)
		return 0;
	/* All or none; should this fail too it is listed as partial. */
	(void)!change_stopped(vm, all, done, VM_IMG_SNAPSHOT_DELETE, tag, &done,
	    NULL);
	return -1;
}

/*
 * Not on all disks: interrupted, or made before an upgrade, which gives the VM
 * another system disk but not other data disks.  Then it is half of a snapshot
 * of the disk that was replaced, and not to be lost.
 */
static int
check_half(const struct vm_snapshot_vm *vm, const size_t *has, size_t count,
    const char *tag, struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(vm->record, "disks");
	VM_CLEAN_FREE char *old = NULL;
	bool is_shared = false;
	struct stat st;

	for (size_t i = 0; i < count; i++)
		is_shared = is_shared ||
		    (fstatat(vm->dir_fd,
			 vm_vm_disk_file(vm_json_at(disks, has[i])), &st,
			 AT_SYMLINK_NOFOLLOW) == 0 &&
			st.st_nlink > 1);
	if (!is_shared ||
	    (old = vm_old_find(vm->store, vm->record, NULL, NULL)) == NULL)
		return 0;
	vm_error_set(err, VM_E_EXISTS, "snapshot_of_old",
	    "%s: only %zu of its %zu disks have the snapshot %s, which may "
	    "belong to the disk that an upgrade has replaced: take another tag",
	    vm->name, count, vm->count, tag);
	return vm_error_hint(err, "vmupgrade --rollback %s, to have that disk",
	    vm->name);
}

static int
make_tag(const struct vm_snapshot_vm *vm, const char *tag, bool dry_run,
    struct vm_error *err)
{
	size_t has[VM_LIVE_MAX];
	size_t count = vm_snapshot_vm_find(vm, tag, has);

	if (vm->raw != NULL) {
		vm_error_set(err, VM_E_UNAVAILABLE, "raw_disk",
		    "%s: %s is raw, and only a qcow2 disk holds snapshots: a "
		    "copy of the whole VM can be made",
		    vm->name, vm->raw);
		return vm_error_hint(err, "vmclone --from %s %s-%s", vm->name,
		    vm->name, tag);
	}
	if (count == vm->count) {
		vm_error_set(err, VM_E_EXISTS, "snapshot_exists",
		    "%s: it has a snapshot %s already", vm->name, tag);
		return vm_error_hint(err, "vmsnap --delete %s@%s", vm->name,
		    tag);
	}
	if (check_half(vm, has, count, tag, err) == -1)
		return -1;
	if (dry_run)
		return 0;
	if (count > 0 && delete_from(vm, has, count, tag, err) == -1)
		return -1;
	if (vm_snapshot_note_write(vm, tag, err) == -1)
		return -1;
	if (make_on_all(vm, tag, err) == 0)
		return 0;
	vm_snapshot_note_remove(vm, tag);
	return -1;
}

static int
roll_back(struct vm_snapshot_vm *vm, const char *tag,
    const struct vm_snapshot_options *options, struct vm_error *err)
{
	size_t has[VM_LIVE_MAX];
	size_t count = vm_snapshot_vm_find(vm, tag, has);

	if (count == 0)
		return vm_snapshot_vm_miss(vm, tag, err);
	if (check_half(vm, has, count < vm->count ? count : 0, tag, err) == -1)
		return -1;
	if (count < vm->count) {
		vm_error_set(err, VM_E_DATA, "partial_snapshot",
		    "%s: only %zu of its %zu disks have the snapshot %s",
		    vm->name, count, vm->count, tag);
		return vm_error_hint(err, "vmsnap --delete %s@%s", vm->name,
		    tag);
	}
	if (vm->lock_fd == -1 && vm_json_bool(vm->record, "ephemeral", false)) {
		vm_error_set(err, VM_E_USAGE, "ephemeral",
		    "%s: it runs, and is there for one run: stopped, it would "
		    "be gone",
		    vm->name);
		return vm_error_hint(err,
		    "vmclone --from %s %s-copy, to have one that stays",
		    vm->name, vm->name);
	}
	if (vm_lineage_check(vm->store, vm->record, vm->dir_fd, err) == -1)
		return vm_error_wrap(err, "%s", vm->name);
	if (options->dry_run)
		return 0;
	return vm->lock_fd == -1 ? vm_rollback_running(vm, tag, options, err) :
				   vm_rollback_vm(vm, tag, err);
}

/* ---- records ---- */

/* What the VM is after it has gone back is not what the record said. */
static int
take_facts(struct vm_store *store, struct vm_json *record, struct vm_error *err)
{
	static const char *const facts[] = { "state", "disks", "identity",
		"applied", "run", "ssh", "stopped_by", "timing_ms" };
	VM_CLEAN_JSON struct vm_json *now = vm_vm_load(store,
	    vm_json_string(record, "name", ""), false, err);
	size_t i;

	if (now == NULL)
		return -1;
	for (i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		const struct vm_json *value = vm_json_member(now, facts[i]);

		vm_json_delete(record, facts[i]);
		if (value != NULL &&
		    vm_json_set_member(record, facts[i], vm_json_copy(value),
			err) == -1)
			return -1;
	}
	return 0;
}

/* What the record says afterwards. */
static int
note(struct vm_snapshot_vm *vm, enum vm_snapshot_action action, const char *tag,
    struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *now = vm_json_new_object();

	if (action == VM_SNAPSHOT_DELETE) {
		vm_json_delete(record, "snapshot");
		return 0;
	}
	if ((action == VM_SNAPSHOT_MAKE &&
		vm_snapshot_vm_read(vm, err) == -1) ||
	    vm_snapshot_vm_describe(vm, tag, now, err) == -1 ||
	    (action == VM_SNAPSHOT_ROLLBACK &&
		take_facts(vm->store, record, err) == -1))
		return -1;
	return vm_json_set(record, "snapshot", VM_TAKE(now), err);
}

static int
do_action(struct vm_snapshot_vm *vm, const struct vm_snapshot_options *options,
    const char *tag, struct vm_error *err)
{
	switch (options->action) {
	case VM_SNAPSHOT_MAKE:
		return make_tag(vm, tag, options->dry_run, err);
	case VM_SNAPSHOT_DELETE:
		return delete_tag(vm, tag, options->dry_run, err);
	default:
		return roll_back(vm, tag, options, err);
	}
}

static int
do_one(struct vm_store *store, const struct vm_snapshot_options *options,
    struct vm_json *record, struct vm_error *err)
{
	static const char *const verbs[] = { "make", "delete", "rollback" };
	static const char *const words[] = { "would be made",
		"would be deleted", "would be gone back to" };
	VM_CLEAN_SNAPSHOT_VM struct vm_snapshot_vm vm = VM_SNAPSHOT_VM_CLOSED;
	const char *name = vm_json_string(record, "name", "");
	const char *tag = vm_json_string(record, "snapshot.tag", NULL);

	if (!vm_record_is_kind(record, "vm"))
		return vm_error_set(err, VM_E_DATA, "not_a_vm",
		    "not the record of a VM");
	if (tag == NULL) {
		vm_error_set(err, VM_E_DATA, "bad_record",
		    "the record names no snapshot: a snapshot is NAME@TAG");
		return vm_error_hint(err, "vmsnap -l %s", name);
	}
	if (check_tag(tag, err) == -1 ||
	    vm_snapshot_vm_open(store, name, &vm, err) == -1 ||
	    vm_vm_check_facts(vm.record, record, err) == -1 ||
	    do_action(&vm, options, tag, err) == -1)
		return -1;
	if (!options->dry_run)
		return note(&vm, options->action, tag, record, err);
	vm_log(VM_LOG_WARN, "%s@%s: %s", name, tag, words[options->action]);
	return vm_json_set_string(record, "planned", verbs[options->action],
	    err);
}

int
vm_snapshot_run(struct vm_store *store,
    const struct vm_snapshot_options *options, struct vm_records *records,
    struct vm_error *err)
{
	size_t i;

	for (i = 0; i < records->count; i++) {
		struct vm_json *record = records->items[i];
		struct vm_error failure = { 0 };

		if (vm_record_is_failed(record))
			continue;
		if ((vm_proc_check_stop(&failure) == -1 ||
			do_one(store, options, record, &failure) == -1) &&
		    vm_record_fail(record, TOOL, &failure, err) == -1)
			return -1;
	}
	return 0;
}
