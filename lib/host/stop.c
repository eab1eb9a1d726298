/* stop.c - see stop.h. */
#include "lib/host/stop.h"

#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/progress.h"
#include "lib/qemu/process.h"
#include "lib/host/ready.h"
#include "lib/host/subject.h"
#include "lib/store/ephemeral.h"
#include "lib/store/vm.h"

#define TOOL "vmstop"
#define TICK_MS 20
#define AGENT_MS 1500 /* for the agent to show that it is there */
#define PRESS_MS 5000 /* between presses of the power button */
#define QUIT_MS 5000  /* for QEMU to quit when told */
#define LAST_MS 10000 /* for the kernel to end a killed one */

enum state {
	PASSED, /* nothing to be done, or all of it done */
	AGENT,	/* is there one? */
	ASKED,	/* it knows */
	FORCED, /* told to quit */
	KILLED
};

struct job {
	struct vm_store *store;
	struct vm_json *record;
	enum state state;
	const char *how; /* stopped_by */
	bool has_agent;
	int dir_fd, pidfd;
	struct vm_ready agent;
	uint64_t begun_ms, deadline_ms, press_ms;
};

struct plan {
	struct job *jobs;
	size_t count;
};

static void
fail_job(struct job *job, const struct vm_error *failure)
{
	struct vm_error err = { 0 };

	job->state = PASSED;
	if (vm_record_fail(job->record, TOOL, failure, &err) == -1)
		vm_log_failure(&err);
}

/* One command to its monitor, on a connection of its own. */
static int
command(const struct job *job, const char *word, struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;

	if (vm_process_connect(job->record, job->dir_fd, VM_PROCESS_ASK_MS,
		&qmp, err) == -1)
		return -1;
	return vm_qmp_call(&qmp, word, NULL, VM_PROCESS_ASK_MS, NULL, err);
}

/* ---- the steps ---- */

static void
insist(struct job *job, uint64_t now_ms)
{
	job->how = "force";
	job->state = FORCED;
	job->deadline_ms = now_ms + QUIT_MS;
	/* Should the monitor be dead, the deadline kills the process. */
	if (command(job, "quit", NULL) == -1 &&
	    !vm_process_has_ended(job->pidfd))
		job->deadline_ms = now_ms;
}

static void
press(struct job *job, uint64_t now_ms)
{
	/* What goes wrong here is what the deadline is for. */
	if (command(job, "system_powerdown", NULL) == -1)
		vm_log(VM_LOG_INFO, "%s: the monitor does not answer",
		    vm_json_string(job->record, "name", ""));
	job->press_ms = now_ms + PRESS_MS;
}

static void
ask_by_acpi(struct job *job, uint64_t now_ms)
{
	vm_ready_release(&job->agent);
	job->how = "acpi";
	job->state = ASKED;
	press(job, now_ms);
}

static int
ask_agent(struct job *job, uint64_t now_ms, struct vm_error *err)
{
	static const char text[] = "{\"execute\":\"guest-shutdown\"}\n";
	int rc = vm_ready_step(&job->agent, err);

	if (rc == 1 &&
	    send(job->agent.fd, text, sizeof(text) - 1, MSG_NOSIGNAL) ==
		(ssize_t)sizeof(text) - 1) {
		job->how = "agent";
		job->state = ASKED;
		job->press_ms = UINT64_MAX;
	} else if (rc != 0 || now_ms > job->begun_ms + AGENT_MS) {
		ask_by_acpi(job, now_ms);
	}
	return 0;
}

static int
note_stopped(struct job *job, struct vm_error *err)
{
	job->state = PASSED;
	if (vm_json_set_string(job->record, "stopped_by", job->how, err) ==
		-1 ||
	    vm_record_step(job->record, "stopped", "stop",
		(long long)(vm_clock_ms() - job->begun_ms), err) == -1)
		return -1;
	return vm_subject_note_stopped(job->store, job->record, err);
}

static int
step(struct job *job, uint64_t now_ms, struct vm_error *err)
{
	if (vm_process_has_ended(job->pidfd))
		return note_stopped(job, err);
	if (job->state == AGENT)
		return ask_agent(job, now_ms, err);
	if (job->state == ASKED && now_ms >= job->press_ms)
		press(job, now_ms);
	if (now_ms < job->deadline_ms)
		return 0;
	if (job->state == ASKED) {
		vm_log(VM_LOG_WARN,
		    "%s: the guest has not shut down in time: forced",
		    vm_json_string(job->record, "name", ""));
		insist(job, now_ms);
	} else if (job->state == FORCED) {
		syscall(SYS_pidfd_send_signal, job->pidfd, SIGKILL, NULL, 0);
		job->state = KILLED;
		job->deadline_ms = now_ms + LAST_MS;
	} else {
		return vm_error_set(err, VM_E_TRY_AGAIN, "not_stopped",
		    "killed, and still there");
	}
	return 0;
}

/* ---- the beginning ---- */

/*
 * Not running: only a state that says otherwise is put right, and what is over
 * removed.
 */
static int
settle(struct job *job, struct vm_error *err)
{
	const char *state = vm_json_string(job->record, "state", "");

	if (strcmp(state, "running") != 0 && strcmp(state, "ready") != 0 &&
	    !vm_ephemeral_has_run(job->record))
		return 0;
	return vm_subject_note_stopped(job->store, job->record, err);
}

static int
open_process(struct job *job, struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	struct vm_error none = { 0 };

	if (vm_process_connect(job->record, job->dir_fd, VM_PROCESS_ASK_MS,
		&qmp, &none) == -1 &&
	    none.kind == VM_E_EXISTS) {
		*err = none;
		return -1;
	}
	job->pidfd = vm_process_open(job->record, job->dir_fd, &qmp, err);
	if (job->pidfd == -1 && err->kind == VM_E_UNAVAILABLE)
		return vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
		    "another command is at work on it");
	job->has_agent = vm_process_has_agent(&qmp);
	return job->pidfd == -1 ? -1 : 0;
}

static int
plan_stop(struct job *job, bool is_busy, struct vm_error *err)
{
	bool goes = vm_ephemeral_has_run(job->record);

	if (is_busy || goes)
		vm_log(VM_LOG_WARN, "%s: would be %s%s%s",
		    vm_json_string(job->record, "name", ""),
		    is_busy ? "stopped" : "", is_busy && goes ? " and " : "",
		    goes ? "removed" : "");
	return vm_json_set_string(job->record, "planned",
	    is_busy  ? "stop" :
		goes ? "remove" :
		       "none",
	    err);
}

/* Its lock is held, yet no process found: it may be just ending. */
static int
settle_ending(struct job *job, struct vm_error *err)
{
	struct vm_error ignored = { 0 };

	if (err->kind != VM_E_TRY_AGAIN || settle(job, &ignored) == -1 ||
	    strcmp(vm_json_string(job->record, "state", ""), "stopped") != 0)
		return -1;
	vm_error_clear(err);
	return 0;
}

static int
begin(struct job *job, const struct vm_stop_options *options,
    struct vm_error *err)
{
	const char *name = vm_json_string(job->record, "name", "");
	int busy;

	if (vm_subject_refresh(job->store, job->record, err) == -1 ||
	    (busy = vm_vm_is_busy(job->store, name, err)) == -1)
		return -1;
	if (options->dry_run)
		return plan_stop(job, busy == 1, err);
	if (busy == 0)
		return settle(job, err);
	job->dir_fd = vm_store_open_object(job->store, VM_STORE_VMS, name, err);
	if (job->dir_fd == -1)
		return -1;
	if (open_process(job, err) == -1)
		return settle_ending(job, err);
	job->begun_ms = vm_clock_ms();
	job->deadline_ms = job->begun_ms + options->timeout_ms;
	if (options->force) {
		insist(job, job->begun_ms);
		return 0;
	}
	if (!job->has_agent) {
		ask_by_acpi(job, job->begun_ms);
		return 0;
	}
	job->state = AGENT;
	job->how = "acpi";
	job->agent = (struct vm_ready){ .kind = &vm_ready_agent,
		.record = job->record,
		.dir_fd = job->dir_fd,
		.fd = -1,
		.pidfd = -1 };
	return 0;
}

static void
release_plan(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->count; i++) {
		vm_ready_release(&plan->jobs[i].agent);
		vm_clean_fd(&plan->jobs[i].dir_fd);
		vm_clean_fd(&plan->jobs[i].pidfd);
	}
	free(plan->jobs);
}

/* One round; how many are not done. */
static size_t
step_all(struct plan *plan)
{
	size_t i, left = 0;

	for (i = 0; i < plan->count; i++) {
		struct job *job = &plan->jobs[i];
		struct vm_error err = { 0 };

		if (job->state != PASSED &&
		    step(job, vm_clock_ms(), &err) == -1)
			fail_job(job, &err);
		left += job->state != PASSED;
	}
	vm_progress_update(plan->count - left);
	return left;
}

int
vm_stop_run(struct vm_store *store, const struct vm_stop_options *options,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN(release_plan) struct plan plan = { 0 };
	size_t i;

	plan.jobs = calloc(records->count + 1, sizeof(*plan.jobs));
	if (plan.jobs == NULL)
		return vm_error_nomem(err);
	for (i = 0; i < records->count; i++) {
		struct job *job = &plan.jobs[plan.count++];
		struct vm_error failure = { 0 };

		*job = (struct job){ .store = store,
			.record = records->items[i],
			.dir_fd = -1,
			.pidfd = -1,
			.agent = { .fd = -1, .pidfd = -1 } };
		if (!vm_record_is_failed(job->record) &&
		    begin(job, options, &failure) == -1)
			fail_job(job, &failure);
	}
	vm_progress_start(TOOL, plan.count, VM_PROGRESS_ITEMS);
	while (step_all(&plan) > 0 && vm_proc_stopped() == 0)
		poll(NULL, 0, TICK_MS);
	vm_progress_end();
	return 0;
}
