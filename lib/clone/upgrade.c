#include "lib/clone/upgrade.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/clone/renew.h"
#include "lib/record/uuid.h"
#include "lib/store/old.h"
#include "lib/store/tool.h"
#include "lib/store/vm.h"

#define TOOL "vmupgrade"
#define STOPPED_MS 5000 /* for the lock of one that has been stopped */

/* One VM under way. */
struct upgrade {
	struct vm_store *store;
	const struct vm_upgrade_options *options;
	const char *name;
	bool ran;	   /* it is to run afterwards */
	uint64_t begun_ms; /* vm_clock_ms() */
	uint64_t down_ms;  /* the same, when it was stopped; 0: it was not */
};

/* --- the commands ----------------------------------------------------------*/

static struct vm_json *
run_tool(const struct upgrade *u, const char *program, const char *const *args,
    struct vm_error *err)
{
	const struct vm_tool tool = { .program = program,
		.args = args,
		.quiet = u->options->quiet,
		.verbose = u->options->verbose };

	return vm_tool_run_one(u->store, &tool, u->name, err);
}

/* All that is to be done in the next directory. */
static int
customize(const struct upgrade *u, struct vm_error *err)
{
	static const char *const args[] = { "--next", NULL };
	VM_CLEAN_JSON struct vm_json *record = run_tool(u, "vmcustomize", args,
	    err);

	return record == NULL ? -1 : 0;
}

static int
deploy(const struct upgrade *u, struct vm_error *err)
{
	char timeout[32];
	const char *const args[] = { "--timeout", timeout, NULL };
	VM_CLEAN_JSON struct vm_json *record = NULL;

	snprintf(timeout, sizeof(timeout), "%jums",
	    (uintmax_t)u->options->timeout_ms);
	record = run_tool(u, "vmdeploy",
	    u->options->timeout_ms == 0 ? NULL : args, err);
	return record == NULL ? -1 : 0;
}

/* A start forgets how the VM was stopped the last time: did this end it? */
static int
stop(struct upgrade *u, bool force, struct vm_error *err)
{
	static const char *const forced[] = { "--force", NULL };
	VM_CLEAN_JSON struct vm_json *before = NULL, *after = NULL;
	uint64_t now_ms = vm_clock_ms();

	before = vm_vm_load(u->store, u->name, false, err);
	if (before == NULL)
		return -1;
	after = run_tool(u, "vmstop", force ? forced : NULL, err);
	if (after == NULL)
		return vm_error_wrap(err, "cannot be stopped");
	if (vm_json_get(before, "stopped_by") != NULL ||
	    vm_json_get(after, "stopped_by") == NULL)
		return 0;
	u->ran = true;
	if (u->down_ms == 0)
		u->down_ms = now_ms;
	return 0;
}

/* Stop it if it runs (which is noted), and take its lock. */
static int
stop_and_lock(struct upgrade *u, bool force, struct vm_error *err)
{
	int busy = vm_vm_is_busy(u->store, u->name, err);

	if (busy == -1 || (busy == 1 && stop(u, force, err) == -1))
		return -1;
	return vm_vm_lock(u->store, u->name,
	    busy ? STOPPED_MS : VM_LOCK_NO_WAIT, err);
}

/* --- back again ------------------------------------------------------------*/

/* The newest in old/ takes the VM's place again; *trash: what failed. */
static int
exchange_back(struct upgrade *u, char **trash, struct vm_error *err)
{
	VM_CLEAN_FD int lock = stop_and_lock(u, true, err);
	VM_CLEAN_JSON struct vm_json *vm = NULL;
	VM_CLEAN_FREE char *old = NULL;
	struct vm_error kept = { 0 };

	if (lock == -1)
		return -1;
	vm = vm_vm_load(u->store, u->name, false, err);
	if (vm == NULL ||
	    (old = vm_old_find(u->store, vm, NULL, err)) == NULL ||
	    vm_old_exchange(u->store, u->name, old, err) == -1)
		return -1;
	*trash = vm_old_discard(u->store, old, &kept);
	if (*trash == NULL)
		vm_log(VM_LOG_WARN, "%s: %s", u->name, kept.message);
	return 0;
}

/* The start has failed (*err): undo the exchange, and say how that went. */
static int
undo(struct upgrade *u, struct vm_error *err)
{
	VM_CLEAN_FREE char *trash = NULL;
	struct vm_error failure = { 0 };

	if (err->kind == VM_E_INTERRUPTED) {
		vm_error_wrap(err, "not finished");
		return vm_error_hint(err, TOOL " %s, or " TOOL " --rollback %s",
		    u->name, u->name);
	}
	if (exchange_back(u, &trash, &failure) == -1) {
		vm_log(VM_LOG_WARN, "%s: %s", u->name, failure.message);
		vm_error_wrap(err, "not upgraded, and not changed back");
		return vm_error_hint(err, TOOL " --rollback %s", u->name);
	}
	if (deploy(u, &failure) == -1) {
		vm_log(VM_LOG_WARN, "%s: %s", u->name, failure.message);
		vm_error_wrap(err,
		    "not upgraded, changed back, but not started again");
		return vm_error_hint(err, "vmdeploy %s", u->name);
	}
	vm_error_wrap(err, "not upgraded, the old disk runs again");
	return trash == NULL ?
	    -1 :
	    vm_error_hint(err, "less '%s/trash/%s/console.log'", u->store->root,
		trash);
}

/* --- forward ---------------------------------------------------------------*/

/* It is complete and does not run: "upgrade" has said what it had to. */
static int
settle(const struct upgrade *u, struct vm_error *err)
{
	VM_CLEAN_FD int lock = vm_vm_lock(u->store, u->name, VM_LOCK_NO_WAIT,
	    err);
	VM_CLEAN_JSON struct vm_json *vm = NULL;

	if (lock == -1)
		return -1;
	vm = vm_vm_load(u->store, u->name, true, err);
	if (vm == NULL)
		return -1;
	vm_json_delete(vm, "upgrade");
	return vm_vm_save(u->store, vm, err);
}

/* It is in its place: start it, or be content. */
static int
finish(struct upgrade *u, struct vm_error *err)
{
	if (!u->ran || u->options->no_start)
		return settle(u, err);
	return deploy(u, err) == -1 ? undo(u, err) : 0;
}

/* Stop it, and let the two change places. */
static int
exchange_next(struct upgrade *u, struct vm_renew *renew, struct vm_error *err)
{
	VM_CLEAN_FD int lock = stop_and_lock(u, false, err);

	return lock == -1 ?
	    -1 :
	    vm_renew_exchange(renew, u->ran && !u->options->no_start, err);
}

static int
upgrade_vm(struct upgrade *u, const struct vm_json *input, struct vm_error *err)
{
	VM_CLEAN_RENEW struct vm_renew renew = VM_RENEW_EMPTY(u->store);

	if (vm_renew_plan(&renew, input, u->options->to, err) == -1)
		return -1;
	if (vm_renew_build(&renew, err) == -1 || customize(u, err) == -1) {
		vm_renew_discard(&renew);
		return vm_error_wrap(err, "not upgraded, nothing was changed");
	}
	if (exchange_next(u, &renew, err) == 0)
		return finish(u, err);
	vm_renew_discard(&renew);
	if (u->ran && deploy(u, NULL) == -1)
		vm_error_hint(err, "vmdeploy %s", u->name);
	return vm_error_wrap(err, "not upgraded");
}

/* --- rollback --------------------------------------------------------------*/

/* Somebody else ran meanwhile: it is not the machine that it was. */
static int
prepare_old(const struct upgrade *u, const char *old, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_old_load(u->store, old, true,
	    err);

	if (record == NULL)
		return -1;
	vm_json_delete(record, "run.pid");
	if (vm_json_bool(record, "started", false) &&
	    vm_json_set_string(record, "state", "stopped", err) == -1)
		return -1;
	if (vm_uuid_renew_generation(record, err) == -1)
		return -1;
	return vm_old_save(u->store, old, record, err);
}

/* Change places with old, under the lock. */
static int
exchange(struct upgrade *u, const char *old, struct vm_error *err)
{
	VM_CLEAN_FD int lock = stop_and_lock(u, false, err);
	VM_CLEAN_JSON struct vm_json *vm = NULL;

	if (lock == -1)
		return -1;
	vm = vm_vm_load(u->store, u->name, false, err);
	if (vm == NULL || prepare_old(u, old, err) == -1 ||
	    vm_old_exchange(u->store, u->name, old, err) == -1)
		return -1;
	if (!vm_old_is_unfinished(vm))
		return 0;
	u->ran = u->ran || vm_json_bool(vm, "upgrade.running", false);
	return vm_old_remove(u->store, old, err);
}

static int
rollback_vm(struct upgrade *u, const struct vm_json *stored,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *old = vm_old_find(u->store, stored, u->options->to,
	    err);

	if (old == NULL)
		return -1;
	if (exchange(u, old, err) == -1) {
		if (u->down_ms != 0 && deploy(u, NULL) == -1)
			vm_error_hint(err, "vmdeploy %s", u->name);
		return vm_error_wrap(err, "not changed back");
	}
	if (!u->ran || u->options->no_start || deploy(u, err) == 0)
		return 0;
	vm_error_wrap(err, "changed back, but not started");
	return vm_error_hint(err, "vmdeploy %s", u->name);
}

/* --- one VM ----------------------------------------------------------------*/

/* -n, and what needs nothing: a line, and a word in the record. */
static int
say(const struct upgrade *u, struct vm_json *record, const char *word,
    const char *text, struct vm_error *err)
{
	vm_log(VM_LOG_WARN, "%s: %s", u->name, text);
	if (!u->options->dry_run)
		return 0;
	return vm_json_set_string(record, "planned", word, err);
}

static int
plan_rollback(const struct upgrade *u, struct vm_json *record,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *old = vm_old_find(u->store, record, u->options->to,
	    err);
	VM_CLEAN_JSON struct vm_json *was = NULL;
	VM_CLEAN_FREE char *text = NULL;

	if (old == NULL ||
	    (was = vm_old_load(u->store, old, false, err)) == NULL)
		return -1;
	text = vm_buf_printf(err, "would go back to %s, %s@%lld", old,
	    vm_json_string(was, "image.alias", "image"),
	    (long long)vm_json_int(was, "image.generation", 0));
	return text == NULL ? -1 : say(u, record, "rollback", text, err);
}

/* 1: it is to be upgraded; 0: it passes, or is a dry run. */
static int
look_at(struct upgrade *u, struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN_RENEW struct vm_renew renew = VM_RENEW_EMPTY(u->store);
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	int busy;

	if (vm_renew_plan(&renew, record, u->options->to, err) == -1)
		return -1;
	if (!renew.is_due && !u->options->force)
		return say(u, record, "none", "is up to date", err);
	if (!u->options->dry_run)
		return 1;
	busy = vm_vm_is_busy(u->store, u->name, err);
	if (busy == -1 ||
	    vm_buf_add_string(&text,
		busy ? "would be stopped, upgraded from " :
		       "would be upgraded from ",
		err) == -1 ||
	    vm_renew_describe(&renew, &text, err) == -1 ||
	    (busy && !u->options->no_start &&
		vm_buf_add_string(&text, "; and started again", err) == -1))
		return -1;
	return say(u, record, "upgrade", text.data, err);
}

/* 1: something was done; 0: the record passes as it is. */
static int
treat(struct upgrade *u, struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *stored = vm_vm_load(u->store, u->name,
	    false, err);
	int due;

	if (stored == NULL || vm_vm_check_facts(stored, record, err) == -1)
		return -1;
	if (vm_json_bool(stored, "ephemeral", false)) {
		vm_error_set(err, VM_E_USAGE, "ephemeral",
		    "it is there for one run: a newer one is another clone");
		return vm_error_hint(err, "vmstop %s, then vmclone", u->name);
	}
	if (u->options->rollback)
		return u->options->dry_run ? plan_rollback(u, record, err) :
		    rollback_vm(u, stored, err) == -1 ? -1 :
							1;
	if (vm_old_is_unfinished(stored)) {
		if (u->options->dry_run)
			return say(u, record, "upgrade",
			    "its upgrade would be finished", err);
		u->ran = vm_json_bool(stored, "upgrade.running", false);
		return finish(u, err) == -1 ? -1 : 1;
	}
	if (!u->options->dry_run && vm_old_sweep(u->store, stored, err) == -1)
		return -1;
	due = look_at(u, record, err);
	if (due != 1)
		return due;
	return upgrade_vm(u, record, err) == -1 ? -1 : 1;
}

/* The VM as it is now, and how long that took. */
static int
answer(const struct upgrade *u, struct vm_json **record, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *now = vm_vm_load(u->store, u->name, false,
	    err);
	uint64_t ms = vm_clock_ms();

	if (now == NULL ||
	    vm_json_set_int(now, "timing_ms.upgrade",
		(int64_t)(ms - u->begun_ms), err) == -1 ||
	    (u->down_ms != 0 &&
		vm_json_set_int(now, "timing_ms.down",
		    (int64_t)(ms - u->down_ms), err) == -1))
		return -1;
	vm_json_free(*record);
	*record = VM_TAKE(now);
	return 0;
}

static int
take_turn(struct vm_store *store, const struct vm_upgrade_options *options,
    struct vm_json **record, struct vm_error *err)
{
	struct upgrade u = { .store = store,
		.options = options,
		.name = vm_json_string(*record, "name", ""),
		.begun_ms = vm_clock_ms() };
	VM_CLEAN_FREE char *lock_name = NULL;
	VM_CLEAN_FD int lock = -1;
	int done;

	if (!vm_record_is_kind(*record, "vm")) {
		vm_error_set(err, VM_E_DATA, "not_a_vm",
		    "not the record of a VM");
		return vm_error_hint(err, "vmclone");
	}
	if (vm_proc_check_stop(err) == -1 ||
	    vm_record_check_name(u.name, err) == -1)
		return -1;
	if (!options->dry_run) {
		lock_name = vm_buf_printf(err, "upgrade-%s", u.name);
		if (lock_name == NULL)
			return -1;
		lock = vm_lock_named(store, lock_name, VM_LOCK_NO_WAIT, err);
		if (lock == -1)
			return vm_error_wrap(err, "another vmupgrade");
	}
	done = treat(&u, *record, err);
	return done == 1 ? answer(&u, record, err) : done;
}

int
vm_upgrade_run(struct vm_store *store, const struct vm_upgrade_options *options,
    struct vm_records *records, struct vm_error *err)
{
	for (size_t i = 0; i < records->count; i++) {
		struct vm_error failure = { 0 };

		if (vm_record_is_failed(records->items[i]) ||
		    take_turn(store, options, &records->items[i], &failure) ==
			0)
			continue;
		if (vm_record_fail(records->items[i], TOOL, &failure, err) ==
		    -1)
			return -1;
	}
	return 0;
}
