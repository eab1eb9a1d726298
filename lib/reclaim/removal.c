#include "lib/reclaim/removal.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/size.h"
#include "lib/reclaim/removal_volumes.h"
#include "lib/reclaim/twins.h"
#include "lib/store/vm.h"

#define TOOL "vmrm"
#define STOP_MS 120000	/* for vmstop, whatever it has to do */
#define STOPPED_MS 5000 /* for the locks of those that it has stopped */

struct removal {
	struct vm_store *store;
	const struct vm_removal_options *options;
	char **trash;		     /* names in it at first, sorted */
	char **moved;		     /* by record: its name in trash, or NULL */
	struct vm_error not_stopped; /* why vmstop failed */
};

/* --- names -----------------------------------------------------------------*/

struct vm_json *
vm_removal_resolve_gone(void *context, const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;

	(void)context;
	if (vm_record_check_name(name, err) == -1)
		return NULL;
	record = vm_record_new("vm", err);
	if (record == NULL ||
	    vm_json_set_string(record, "name", name, err) == -1)
		return NULL;
	return VM_TAKE(record);
}

struct vm_json *
vm_removal_resolve(void *store, const char *name, struct vm_error *err)
{
	struct vm_error cause = { 0 };
	struct vm_json *record = vm_vm_load(store, name, false, &cause);

	if (record != NULL)
		return record;
	if (cause.kind == VM_E_DATA || cause.kind == VM_E_CONFIG)
		return vm_removal_resolve_gone(NULL, name, err);
	if (err != NULL)
		*err = cause;
	return NULL;
}

struct vm_json *
vm_removal_resolve_volumes(void *store, const char *name, struct vm_error *err)
{
	struct vm_error cause = { 0 };
	struct vm_json *record = vm_removal_resolve(store, name, &cause);

	if (record != NULL)
		return record;
	if (cause.kind == VM_E_NO_INPUT && vm_removal_has_volumes(store, name))
		return vm_removal_resolve_gone(NULL, name, err);
	if (err != NULL)
		*err = cause;
	return NULL;
}

/* --- to the trash ----------------------------------------------------------*/

static int
plan(struct vm_json *record, const char *what, const char *words,
    struct vm_error *err)
{
	vm_log(VM_LOG_WARN, "%s: %s", vm_json_string(record, "name", "?"),
	    words);
	return vm_json_set_string(record, "planned", what, err);
}

/* A record of another VM of that name must not remove this one. */
static int
check_record(struct vm_store *store, const char *name,
    const struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *stored = vm_removal_resolve(store, name,
	    err);

	return stored == NULL ? -1 : vm_vm_check_facts(stored, record, err);
}

static int
take_lock(struct removal *removal, const char *name, struct vm_error *err)
{
	bool forced = removal->options->force &&
	    !vm_error_is_set(&removal->not_stopped);
	int lock = vm_vm_lock(removal->store, name,
	    forced ? STOPPED_MS : VM_LOCK_NO_WAIT, err);

	if (lock != -1 || err->kind != VM_E_TRY_AGAIN)
		return lock;
	if (vm_error_is_set(&removal->not_stopped))
		*err = removal->not_stopped;
	else if (!removal->options->force)
		vm_error_hint(err, "vmrm -f %s, to stop it first", name);
	return -1;
}

/* 1: planned; 0: it is in use, and that is for the lock to say. */
static int
plan_removal(struct removal *removal, struct vm_json *record,
    struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	int busy = vm_vm_is_busy(removal->store, name, err);

	if (busy == -1 || check_record(removal->store, name, record, err) == -1)
		return -1;
	if (busy == 1 && !removal->options->force)
		return 0;
	if (plan(record, "remove",
		busy == 1 ? "would be stopped and removed" : "would be removed",
		err) == -1)
		return -1;
	return 1;
}

/* An ephemeral VM is removed by the vmstop of --force: then it is done. */
static bool
is_gone(const struct removal *removal, const struct vm_json *record,
    const struct vm_error *err)
{
	return removal->options->force && err->kind == VM_E_NO_INPUT &&
	    vm_json_bool(record, "ephemeral", false);
}

static int
remove_vm(struct removal *removal, struct vm_json *record, char **moved,
    struct vm_error *err)
{
	struct vm_store *store = removal->store;
	const char *name = vm_json_string(record, "name", "");
	VM_CLEAN_FD int lock = -1;
	int planned = 0;

	if (removal->options->volumes &&
	    vm_removal_is_only_volumes(store, name))
		return removal->options->dry_run ?
		    vm_json_set_string(record, "planned", "remove", err) :
		    vm_json_set_string(record, "state", "removed", err);
	if (removal->options->dry_run)
		planned = plan_removal(removal, record, err);
	if (planned != 0)
		return planned == -1 ? -1 : 0;
	/* whatever else that VM does */
	if (check_record(store, name, record, err) == -1 &&
	    err->kind == VM_E_EXISTS)
		return -1;
	vm_error_clear(err);
	lock = take_lock(removal, name, err);
	if (lock == -1 && is_gone(removal, record, err)) {
		vm_error_clear(err);
		return vm_json_set_string(record, "state", "removed", err);
	}
	if (lock == -1 || check_record(store, name, record, err) == -1 ||
	    vm_publish_keep_unsynced(store, VM_STORE_VMS, name, VM_STORE_TRASH,
		name, vm_publish_newest(removal->trash, name), moved,
		err) == -1 ||
	    vm_json_set_string(record, "trash", *moved, err) == -1)
		return -1;
	return vm_json_set_string(record, "state", "removed", err);
}

/* --- and back --------------------------------------------------------------*/

/* It may have been killed, and removed before anybody noted that. */
static int
note_still(struct vm_json *record, struct vm_error *err)
{
	const char *state = vm_json_string(record, "state", "");

	if (strcmp(state, "running") != 0 && strcmp(state, "ready") != 0)
		return 0;
	vm_json_delete(record, "run.pid");
	return vm_json_set_string(record, "state", "stopped", err);
}

/* The one that the record names, as vmrm has written it; else the newest. */
static uint64_t
choose(const struct removal *removal, const struct vm_json *record,
    const char *name)
{
	const char *says = vm_json_string(record, "trash", "");
	char *const one[] = { (char *)(uintptr_t)says, NULL };
	uint64_t n = vm_publish_newest(one, name);

	for (size_t i = 0; n > 0 && removal->trash[i] != NULL; i++)
		if (strcmp(removal->trash[i], says) == 0)
			return n;
	return vm_publish_newest(removal->trash, name);
}

/* What came back must be the VM that the record is of. */
static struct vm_json *
check_restored(struct removal *removal, const struct vm_json *record,
    struct vm_error *err)
{
	struct vm_store *store = removal->store;
	VM_CLEAN_JSON struct vm_json *restored = vm_removal_resolve(store,
	    vm_json_string(record, "name", ""), err);

	if (restored == NULL)
		return NULL;
	if (vm_vm_check_facts(restored, record, err) == -1) {
		vm_error_hint(err, "ls '%s/trash'", store->root);
		return NULL;
	}
	return note_still(restored, err) == -1 ? NULL : VM_TAKE(restored);
}

/* The record that came back takes the place of *record. */
static int
restore_vm(struct removal *removal, struct vm_json **record, char **moved,
    struct vm_error *err)
{
	struct vm_store *store = removal->store;
	const char *name = vm_json_string(*record, "name", "");
	uint64_t which = choose(removal, *record, name);
	VM_CLEAN_JSON struct vm_json *restored = NULL;
	VM_CLEAN_FREE char *trash = NULL;
	int only_volumes;

	if (vm_record_check_name(name, err) == -1)
		return -1;
	if (which == 0) {
		only_volumes = vm_removal_restore_volumes(store,
		    removal->options->dry_run, *record, err);
		if (only_volumes != 0)
			return only_volumes == 1 ? 0 : -1;
		vm_error_set(err, VM_E_NO_INPUT, "not_in_trash",
		    "%s: not in the trash", name);
		return vm_error_hint(err, "ls '%s/trash'", store->root);
	}
	if (removal->options->dry_run &&
	    faccessat(store->fds[VM_STORE_VMS], name, F_OK, 0) == -1)
		return plan(*record, "restore", "would be brought back", err);
	trash = vm_buf_printf(err, "%s.%ju", name, (uintmax_t)which);
	if (trash == NULL)
		return -1;
	if (vm_publish_move_unsynced(store, VM_STORE_TRASH, trash, VM_STORE_VMS,
		name, err) == -1) {
		if (err->kind == VM_E_EXISTS)
			vm_error_hint(err, "vmrm %s, and again", name);
		return -1;
	}
	restored = check_restored(removal, *record, err);
	if (restored == NULL) {
		/* what has failed has changed nothing */
		if (vm_publish_move_unsynced(store, VM_STORE_VMS, name,
			VM_STORE_TRASH, trash, NULL) == -1)
			*moved = VM_TAKE(trash);
		return -1;
	}
	*moved = VM_TAKE(trash);
	vm_json_free(*record);
	*record = VM_TAKE(restored);
	return 0;
}

/* --- all of them -----------------------------------------------------------*/

static bool
is_ours(const struct vm_json *record)
{
	return vm_record_is_kind(record, "vm") && !vm_record_is_failed(record);
}

/* Stop those that run, all with one vmstop. */
static int
stop_running(struct removal *removal, const struct vm_records *records,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *root = vm_buf_printf(err, "VMPIPE_ROOT=%s",
	    removal->store->root);
	VM_CLEAN_FREE const char **argv = calloc(records->count + 4,
	    sizeof(*argv));
	const char *const env[] = { root, NULL };
	const struct vm_proc_options options = {
		.argv = argv,
		.env = env,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.timeout_ms = STOP_MS,
		.output_max = (records->count + 1) * VM_RECORD_MAX,
	};
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	size_t n = 0;

	if (root == NULL)
		return -1;
	if (argv == NULL)
		return vm_error_nomem(err);
	argv[n++] = "vmstop";
	argv[n++] = "--force";
	argv[n++] = "--";
	for (size_t i = 0; i < records->count; i++) {
		const char *name = vm_json_string(records->items[i], "name",
		    "");

		/* another VM of that name is not stopped either */
		if (is_ours(records->items[i]) &&
		    vm_vm_is_busy(removal->store, name, NULL) == 1 &&
		    check_record(removal->store, name, records->items[i],
			NULL) == 0)
			argv[n++] = name;
	}
	if (n > 3 &&
	    vm_proc_run_ok(&options, &result, &removal->not_stopped) == -1)
		vm_error_wrap(&removal->not_stopped, "cannot be stopped");
	return 0;
}

static int
treat(struct removal *removal, struct vm_json **record, char **moved,
    struct vm_error *err)
{
	if (!vm_record_is_kind(*record, "vm"))
		return vm_error_set(err, VM_E_DATA, "not_a_vm",
		    "not the record of a VM");
	if (removal->options->undo)
		return restore_vm(removal, record, moved, err);
	return remove_vm(removal, *record, moved, err);
}

static int
treat_all(struct removal *removal, struct vm_records *records,
    struct vm_error *err)
{
	for (size_t i = 0; i < records->count; i++) {
		struct vm_error failure = { 0 };

		if (vm_record_is_failed(records->items[i]))
			continue;
		if (vm_proc_check_stop(&failure) == 0 &&
		    treat(removal, &records->items[i], &removal->moved[i],
			&failure) == 0)
			continue;
		if (vm_record_fail(records->items[i], TOOL, &failure, err) ==
		    -1)
			return -1;
	}
	return 0;
}

/* Make all moves last, or none. */
static int
settle(struct removal *removal, struct vm_records *records,
    struct vm_error *err)
{
	bool undo = removal->options->undo;
	enum vm_store_dir from = undo ? VM_STORE_TRASH : VM_STORE_VMS;
	enum vm_store_dir to = undo ? VM_STORE_VMS : VM_STORE_TRASH;
	struct vm_error failure = { 0 };
	size_t i = 0;

	while (i < records->count && removal->moved[i] == NULL)
		i++;
	if (i == records->count ||
	    vm_publish_settle(removal->store, from, to, &failure) == 0)
		return 0;
	for (; i < records->count; i++) {
		const char *name = vm_json_string(records->items[i], "name",
		    "");
		const char *trash = removal->moved[i];

		if (trash == NULL)
			continue;
		if (vm_publish_move_unsynced(removal->store, to,
			undo ? name : trash, from, undo ? trash : name,
			NULL) == -1)
			vm_log(VM_LOG_WARN, "%s: cannot be moved back", name);
		if (vm_record_fail(records->items[i], TOOL, &failure, err) ==
		    -1)
			return -1;
	}
	return 0;
}

/* While they were away their addresses may have been given to others. */
static int
warn_of_twins(const struct removal *removal, const struct vm_records *records,
    struct vm_error *err)
{
	VM_CLEAN_FREE const char **names = calloc(records->count + 1,
	    sizeof(*names));
	size_t count = 0;

	if (names == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < records->count; i++)
		if (removal->moved[i] != NULL)
			names[count++] = vm_json_string(records->items[i],
			    "name", "");
	return count == 0 ? 0 :
			    vm_twins_warn(removal->store, names, count, err);
}

/* The volumes go, or come, with their VMs. */
static int
follow(const struct removal *removal, struct vm_records *records,
    struct vm_error *err)
{
	const struct vm_removal_options *options = removal->options;

	if (options->undo)
		return vm_removal_mend_volumes(removal->store, removal->moved,
		    TOOL, records, err);
	if (options->volumes)
		return vm_removal_take_volumes(removal->store, options->dry_run,
		    TOOL, records, err);
	return vm_removal_say_left(removal->store, removal->moved, records,
	    err);
}

int
vm_removal_run(struct vm_store *store, const struct vm_removal_options *options,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN_NAMES char **trash = vm_store_list(store, VM_STORE_TRASH, err);
	VM_CLEAN_FREE char **moved = calloc(records->count + 1, sizeof(*moved));
	struct removal removal = { .store = store,
		.options = options,
		.trash = trash,
		.moved = moved };
	int result;

	if (trash == NULL)
		return -1;
	if (moved == NULL)
		return vm_error_nomem(err);
	if (options->force && !options->dry_run && !options->undo &&
	    stop_running(&removal, records, err) == -1)
		return -1;
	result = treat_all(&removal, records, err);
	if (settle(&removal, records, err) == -1)
		result = -1;
	if (result == 0)
		result = follow(&removal, records, err);
	if (result == 0 && options->undo)
		result = warn_of_twins(&removal, records, err);
	for (size_t i = 0; i < records->count; i++)
		free(moved[i]);
	return result;
}
