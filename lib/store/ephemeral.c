#include "lib/store/ephemeral.h"

#include <sys/file.h>

#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/store/durable.h"
#include "lib/store/publish.h"
#include "lib/store/usage.h"
#include "lib/store/vm.h"

#define TOOL "vmgc"
#define RECORD_MAX ((size_t)8 << 20)

bool
vm_ephemeral_has_run(const struct vm_json *record)
{
	return vm_json_bool(record, "ephemeral", false) &&
	    vm_json_get(record, "run") != NULL;
}

/* Does its vm.json say so?  One that cannot be read says nothing. */
static bool
has_run(struct vm_store *store, const char *name)
{
	VM_CLEAN_JSON struct vm_json *record = vm_vm_load(store, name, false,
	    NULL);

	return record != NULL && vm_ephemeral_has_run(record);
}

int
vm_ephemeral_is_over(struct vm_store *store, const char *name,
    struct vm_error *err)
{
	int busy;

	if (!has_run(store, name))
		return 0;
	busy = vm_vm_is_busy(store, name, err);
	return busy == -1 ? -1 : busy == 0;
}

/* ---- removing ---- */

/* What is in tmp/ without a lock of its own is anybody's to sweep. */
static int
open_locked(struct vm_store *store, const char *name, struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_store_open_object(store, VM_STORE_VMS, name,
	    err);

	if (fd == -1)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
		    "%s: another command works on it", name);
	return VM_TAKE_FD(fd);
}

static int
destroy(struct vm_store *store, const char *name, struct vm_error *err)
{
	VM_CLEAN_FD int fd = open_locked(store, name, err);
	char litter[VM_PUBLISH_NAME];

	if (fd == -1 || vm_publish_make_name(litter, err) == -1 ||
	    vm_publish_move_unsynced(store, VM_STORE_VMS, name, VM_STORE_TMP,
		litter, err) == -1)
		return -1;
	if (vm_publish_settle(store, VM_STORE_VMS, VM_STORE_TMP, err) == -1) {
		if (vm_publish_move_unsynced(store, VM_STORE_TMP, litter,
			VM_STORE_VMS, name, NULL) == -1)
			vm_log(VM_LOG_WARN, "%s: left in tmp/%s", name, litter);
		return -1;
	}
	/* it is gone; what is left of it the next vmgc takes */
	if (vm_durable_remove_tree(store->durable, store->fds[VM_STORE_TMP],
		litter, VM_TAKE_FD(fd)) == -1)
		vm_log(VM_LOG_INFO, "%s: litter in tmp/%s", name, litter);
	return 0;
}

int
vm_ephemeral_end(struct vm_store *store, const char *name, struct vm_error *err)
{
	if (!has_run(store, name))
		return 0;
	return destroy(store, name, err) == -1 ? -1 : 1;
}

int
vm_ephemeral_reap(struct vm_store *store, const char *name,
    struct vm_error *err)
{
	struct vm_error failure = { 0 };
	VM_CLEAN_FD int lock = vm_vm_lock(store, name, VM_LOCK_NO_WAIT,
	    &failure);

	if (lock != -1)
		return vm_ephemeral_end(store, name, err);
	if (failure.kind == VM_E_TRY_AGAIN || failure.kind == VM_E_NO_INPUT ||
	    failure.kind == VM_E_DATA)
		return 0;
	if (err != NULL)
		*err = failure;
	return -1;
}

/* ---- all of them ---- */

/* What only this VM holds on to. */
static int
measure(struct vm_store *store, const char *name, uint64_t *bytes,
    struct vm_error *err)
{
	VM_CLEAN_USAGE struct vm_usage usage = { 0 };

	*bytes = 0;
	if (vm_usage_add(&usage, store->fds[VM_STORE_VMS], name, err) == -1)
		return -1;
	for (size_t i = 0; i < usage.count; i++)
		if (usage.files[i].links == 1)
			*bytes += usage.files[i].bytes;
	return 0;
}

static struct vm_json *
describe(struct vm_store *store, const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_record_new("vm", err);
	uint64_t bytes;

	if (record == NULL || measure(store, name, &bytes, err) == -1 ||
	    vm_json_set_string(record, "name", name, err) == -1 ||
	    vm_json_set_int(record, "bytes", (int64_t)bytes, err) == -1 ||
	    vm_json_set_string(record, "reason", "ephemeral, and has stopped",
		err) == -1)
		return NULL;
	return VM_TAKE(record);
}

/* Most VMs are not ephemeral, and that needs no parser to see. */
static bool
may_be_ephemeral(struct vm_store *store, const char *name)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_FD int fd = vm_store_open_object(store, VM_STORE_VMS, name,
	    NULL);

	return fd != -1 &&
	    vm_fd_read_file(fd, "vm.json", RECORD_MAX, &text, NULL) == 0 &&
	    text.len > 0 &&
	    memmem(text.data, text.len, "\"ephemeral\"", 11) != NULL;
}

static int
sweep_one(struct vm_store *store, const char *name, bool dry_run,
    struct vm_records *records, struct vm_error *err)
{
	struct vm_json *record = describe(store, name, err);
	struct vm_error failure = { 0 };
	int ended;

	if (record == NULL || vm_records_add(records, record, err) == -1)
		return -1;
	if (dry_run)
		return vm_json_set_string(record, "planned", "remove", err);
	ended = vm_ephemeral_reap(store, name, &failure);
	if (ended == -1)
		return vm_record_fail(record, TOOL, &failure, err);
	return vm_json_set_string(record, "state",
	    ended == 1 ? "removed" : "kept", err);
}

int
vm_ephemeral_sweep(struct vm_store *store, bool dry_run,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_VMS, err);

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		if (vm_proc_check_stop(err) == -1)
			return -1;
		/* one that cannot be looked at is not known to be over */
		if (may_be_ephemeral(store, names[i]) &&
		    vm_ephemeral_is_over(store, names[i], NULL) == 1 &&
		    sweep_one(store, names[i], dry_run, records, err) == -1)
			return -1;
	}
	return 0;
}
