/* job.c - see job.h. */
#include "lib/host/job.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/host/login.h"
#include "lib/qemu/process.h"
#include "lib/host/subject.h"
#include "lib/host/words.h"
#include "lib/record/drift.h"
#include "lib/record/manifest.h"
#include "lib/store/ephemeral.h"
#include "lib/store/vm.h"

#define TOOL "vmdeploy"
#define CONSOLE_LINES 3
#define SETTLE_MS 2000 /* for a QEMU that just starts or ends */

void
vm_job_fail(struct vm_job *job, const struct vm_error *failure)
{
	struct vm_error err = { 0 };

	job->state = VM_JOB_FAILED;
	if (vm_record_fail(job->record, TOOL, failure, &err) == -1)
		vm_log_failure(&err);
}

/* ---- beginning ---- */

/*
 * It runs already, with the role that is stored.  What the record wants
 * otherwise comes with its next start: it is listed, and not stored as if it
 * were so.
 */
static int
note_drift(struct vm_job *job, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *stored = vm_vm_load(job->store,
	    vm_json_string(job->record, "name", ""), false, err);
	VM_CLEAN_JSON struct vm_json *drift = NULL;

	if (stored == NULL ||
	    (drift = vm_drift_between(stored, vm_json_get(job->record, "spec"),
		 NULL, err)) == NULL)
		return -1;
	vm_json_free(job->running_spec);
	job->running_spec = vm_json_copy(vm_json_get(stored, "spec"));
	return vm_drift_add(job->record, drift, err);
}

static int
save(const struct vm_job *job, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *copy = NULL;

	if (job->running_spec == NULL)
		return vm_vm_save(job->store, job->record, err);
	copy = vm_json_copy(job->record);
	if (copy == NULL)
		return vm_error_nomem(err);
	if (vm_json_set(copy, "spec", vm_json_copy(job->running_spec), err) ==
	    -1)
		return -1;
	return vm_vm_save(job->store, copy, err);
}

/* It is locked by somebody: is that its own QEMU? */
static int
adopt(struct vm_job *job, struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	struct vm_launch *launch = &job->launch;
	struct vm_error none = { 0 };
	int pid = 0;

	if (vm_process_connect(job->record, launch->dir_fd, VM_PROCESS_ASK_MS,
		&qmp, &none) == -1)
		return vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
		    "another command is at work on it (%s)", none.message);
	launch->pidfd = vm_process_open(job->record, launch->dir_fd, &qmp, err);
	if (launch->pidfd == -1 ||
	    vm_qmp_get_pid(&qmp, VM_PROCESS_ASK_MS, &pid, err) == -1)
		return -1;
	if (note_drift(job, err) == -1)
		return -1;
	launch->begun_ms = vm_clock_ms();
	job->state = VM_JOB_STARTED;
	/* The state in vm.json is of one process, and maybe not of this one. */
	if (vm_json_int(job->record, "run.pid", 0) == pid)
		return 0;
	/*
	 * Whoever started it was killed before noting it.  Its QEMU has the
	 * lock, so nobody else is starting it; the file is replaced whole.
	 */
	if (vm_json_set_int(job->record, "run.pid", pid, err) == -1 ||
	    vm_json_set_string(job->record, "state", "running", err) == -1)
		return -1;
	return save(job, err);
}

/*
 * The lock is ours, or its QEMU's.  A QEMU that was just killed still has it,
 * and one that another command just starts does not answer yet.
 */
static int
lock_or_adopt(struct vm_job *job, struct vm_error *err)
{
	struct vm_launch *launch = &job->launch;
	const char *name = vm_json_string(job->record, "name", "");
	struct vm_error in_use = { 0 };

	launch->lock_fd = vm_vm_lock(job->store, name, VM_LOCK_NO_WAIT,
	    &in_use);
	for (int i = 0; launch->lock_fd == -1; i++) {
		if (in_use.kind == VM_E_TRY_AGAIN &&
		    vm_subject_refresh(job->store, job->record, err) == -1)
			return -1;
		if (in_use.kind == VM_E_TRY_AGAIN && adopt(job, &in_use) == 0)
			return 0;
		if (in_use.kind != VM_E_TRY_AGAIN || i > 0)
			break;
		launch->lock_fd = vm_vm_lock(job->store, name, SETTLE_MS,
		    &in_use);
	}
	if (launch->lock_fd == -1) {
		*err = in_use;
		return -1;
	}
	/* Read anew what nobody else can change from here. */
	return vm_subject_refresh(job->store, job->record, err);
}

/* It could not be removed, or was: either way there is nothing to start. */
static int
fail_over(struct vm_error *err)
{
	if (vm_error_is_set(err))
		return -1;
	vm_error_set(err, VM_E_NO_INPUT, "ephemeral_over",
	    "ephemeral, and has stopped: removed");
	return vm_error_hint(err, "vmclone --ephemeral, to have it anew");
}

/* The same of a dry run. */
static int
check_over(struct vm_job *job, struct vm_error *err)
{
	int over = vm_ephemeral_is_over(job->store,
	    vm_json_string(job->record, "name", ""), err);

	if (over == 1)
		return vm_error_set(err, VM_E_NO_INPUT, "ephemeral_over",
		    "ephemeral, and has stopped: it would be removed");
	return over;
}

static int
lock_and_launch(struct vm_job *job, struct vm_error *err)
{
	struct vm_launch *launch = &job->launch;

	if (vm_subject_check_kind(job->record, err) == -1)
		return -1;
	launch->dir_fd = vm_store_open_object(job->store, VM_STORE_VMS,
	    vm_json_string(job->record, "name", ""), err);
	if (launch->dir_fd == -1 || lock_or_adopt(job, err) == -1)
		return -1;
	if (launch->lock_fd == -1)
		return 0;
	/* before we had the lock another directory may have been here */
	vm_clean_fd(&launch->dir_fd);
	launch->dir_fd = vm_store_open_object(job->store, VM_STORE_VMS,
	    vm_json_string(job->record, "name", ""), err);
	if (launch->dir_fd == -1)
		return -1;
	if (vm_ephemeral_end(job->store,
		vm_json_string(job->record, "name", ""), err) != 0)
		return fail_over(err);
	if (vm_manifest_check_role(vm_json_get(job->record, "spec"), err) ==
		-1 ||
	    vm_launch_begin(launch, err) == -1)
		return -1;
	job->state = VM_JOB_STARTED;
	return 0;
}

static void
init_launch(struct vm_job *job, const char *qemu, bool kvm)
{
	job->launch = (struct vm_launch)VM_LAUNCH_EMPTY;
	job->launch.store = job->store;
	job->launch.record = job->record;
	job->launch.qemu = qemu;
	job->launch.kvm = kvm;
}

void
vm_job_begin(struct vm_job *job, const char *qemu, bool kvm)
{
	struct vm_error err = { 0 };

	init_launch(job, qemu, kvm);
	if (lock_and_launch(job, &err) == -1)
		vm_job_fail(job, &err);
}

void
vm_job_format(struct vm_job *job, const char *qemu, bool kvm,
    struct vm_buf *out)
{
	struct vm_launch *launch = &job->launch;
	struct vm_error err = { 0 };
	size_t len = out->len;

	init_launch(job, qemu, kvm);
	if (vm_subject_refresh(job->store, job->record, &err) == 0 &&
	    check_over(job, &err) == 0 &&
	    vm_manifest_check_role(vm_json_get(job->record, "spec"), &err) ==
		0 &&
	    (launch->dir_fd = vm_store_open_object(job->store, VM_STORE_VMS,
		 vm_json_string(job->record, "name", ""), &err)) >= 0 &&
	    vm_launch_format(launch, out, &err) == 0 &&
	    vm_buf_add_string(out, "\n", &err) == 0)
		return;
	out->len = len;
	vm_job_fail(job, &err);
}

/* ---- running ---- */

static bool
is_state(const struct vm_job *job, const char *state)
{
	return strcmp(vm_json_string(job->record, "state", ""), state) == 0;
}

static int
confirm(struct vm_job *job, const struct vm_deploy_options *options,
    struct vm_error *err)
{
	if (job->launch.lock_fd != -1 &&
	    vm_launch_finish(&job->launch, err) == -1)
		return -1;
	job->state = VM_JOB_DONE;
	if (options->no_wait || is_state(job, "ready"))
		return 0;
	if (vm_ready_init(&job->ready, job->record, job->launch.dir_fd, err) ==
	    -1)
		return -1;
	if (job->ready.kind == NULL)
		return 0;
	if (job->ready.kind == &vm_ready_ssh &&
	    vm_login_write_known_hosts(job->store, job->record, err) == -1)
		return -1;
	if (options->timeout_ms != 0)
		job->ready.timeout_ms = options->timeout_ms;
	job->deadline_ms = vm_clock_ms() + job->ready.timeout_ms;
	job->state = VM_JOB_WAITING;
	return 0;
}

void
vm_job_confirm(struct vm_job *job, const struct vm_deploy_options *options)
{
	struct vm_error err = { 0 };

	if (confirm(job, options, &err) == -1)
		vm_job_fail(job, &err);
}

/* Add "; its console ends: ..." to a failure. */
static int
add_console(const struct vm_job *job, struct vm_error *err)
{
	size_t len = strlen(err->message);
	char words[512];

	vm_words_read(job->launch.dir_fd, "console.log", CONSOLE_LINES, words,
	    sizeof(words));
	if (*words != '\0' && len + strlen(words) + 32 < sizeof(err->message))
		snprintf(err->message + len, sizeof(err->message) - len,
		    "; its console ends: %s", words);
	return -1;
}

/* Should QEMU have stopped the guest, that is the cause. */
static int
time_out(struct vm_job *job, struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	VM_CLEAN_JSON struct vm_json *status = NULL;
	const char *word = "running";

	if (vm_process_connect(job->record, job->launch.dir_fd,
		VM_PROCESS_ASK_MS, &qmp, NULL) == 0 &&
	    vm_qmp_call(&qmp, "query-status", NULL, VM_PROCESS_ASK_MS, &status,
		NULL) == 0)
		word = vm_json_string(status, "status", word);
	vm_error_set(err, VM_E_TRY_AGAIN, "not_ready",
	    "not ready (%s) after %llu s: %s%s%s", job->ready.kind->name,
	    (unsigned long long)(job->ready.timeout_ms / 1000),
	    job->ready.cause,
	    strcmp(word, "running") == 0 ? "" : "; QEMU says: ",
	    strcmp(word, "running") == 0 ? "" : word);
	add_console(job, err);
	return vm_error_hint(err, "vmconsole --log %s",
	    vm_json_string(job->record, "name", ""));
}

static int
note_ready(struct vm_job *job, struct vm_error *err)
{
	job->state = VM_JOB_DONE;
	if (vm_record_step(job->record, "ready", "ready",
		(long long)(vm_clock_ms() - job->launch.begun_ms), err) == -1)
		return -1;
	return save(job, err);
}

static int
step(struct vm_job *job, struct vm_error *err)
{
	int rc = vm_ready_step(&job->ready, err);

	if (rc != 0)
		return rc == 1 ? note_ready(job, err) : add_console(job, err);
	if (vm_process_has_ended(job->launch.pidfd)) {
		vm_launch_fail(job->launch.dir_fd,
		    "QEMU has ended before the guest was ready", err);
		return add_console(job, err);
	}
	return vm_clock_ms() >= job->deadline_ms ? time_out(job, err) : 0;
}

void
vm_job_step(struct vm_job *job)
{
	struct vm_error err = { 0 };

	if (step(job, &err) == -1)
		vm_job_fail(job, &err);
}

void
vm_job_release(struct vm_job *job)
{
	vm_ready_release(&job->ready);
	vm_launch_release(&job->launch);
	vm_json_free(job->running_spec);
	job->running_spec = NULL;
}
