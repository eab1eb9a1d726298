/* session.c - see session.h. */
#include "lib/qemu/session.h"

#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/qemu/process.h"

#define CONNECT_MS 30000 /* others are served before us */
#define POLL_MS 50

static int
lock(struct vm_session *session, struct vm_error *err)
{
	session->lock_fd = openat(session->dir_fd, ".",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (session->lock_fd == -1)
		return vm_error_errno(err, errno, "%s", session->name);
	if (flock(session->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return vm_error_errno(err, errno, "%s", session->name);
	return vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
	    "%s: another copy or snapshot of it is being made", session->name);
}

int
vm_session_open(struct vm_session *session, const struct vm_json *record,
    int dir_fd, struct vm_error *err)
{
	VM_CLEAN_SESSION struct vm_session fresh = { .record = record,
		.name = vm_json_string(record, "name", ""),
		.dir_fd = dir_fd,
		.lock_fd = -1 };
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;

	if (lock(&fresh, err) == -1 ||
	    vm_session_connect(&fresh, &qmp, err) == -1)
		return -1;
	fresh.has_agent = vm_process_has_agent(&qmp);
	vm_qmp_close(&qmp);
	if (vm_session_sweep(&fresh, err) == -1)
		return -1;
	*session = fresh;
	fresh.lock_fd = -1;
	return 0;
}

void
vm_session_close(struct vm_session *session)
{
	vm_clean_fd(&session->lock_fd);
	session->lock_fd = -1;
}

int
vm_session_connect(const struct vm_session *session, struct vm_qmp *qmp,
    struct vm_error *err)
{
	return vm_process_connect(session->record, session->dir_fd, CONNECT_MS,
	    qmp, err);
}

struct vm_json *
vm_session_ask(const struct vm_session *session, const char *command,
    struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	struct vm_json *result = NULL;

	if (vm_session_connect(session, &qmp, err) == -1 ||
	    vm_qmp_call(&qmp, command, NULL, VM_SESSION_WORK_MS, &result,
		err) == -1)
		return NULL;
	return result;
}

bool
vm_session_is_ours(const char *name)
{
	return strncmp(name, VM_SESSION_PREFIX, strlen(VM_SESSION_PREFIX)) == 0;
}

/* A command whose one argument is a name. */
static int
tell(struct vm_qmp *qmp, const char *command, const char *argument,
    const char *name, struct vm_error *err)
{
	struct vm_json *arguments = vm_json_new_object();

	if (vm_json_set_string(arguments, argument, name, err) == -1) {
		vm_json_free(arguments);
		return -1;
	}
	return vm_qmp_call(qmp, command, arguments, VM_SESSION_WORK_MS, NULL,
	    err);
}

/* How many jobs of ours there still are; those that can go are let go. */
static int
end_jobs(struct vm_qmp *qmp, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *jobs = NULL;
	int count = 0;
	size_t i;

	if (vm_qmp_call(qmp, "query-jobs", NULL, VM_SESSION_WORK_MS, &jobs,
		err) == -1)
		return -1;
	for (i = 0; i < vm_json_count(jobs); i++) {
		const struct vm_json *job = vm_json_at(jobs, i);
		const char *id = vm_json_string(job, "id", "");
		bool is_over = strcmp(vm_json_string(job, "status", ""),
				   "concluded") == 0;

		if (!vm_session_is_ours(id))
			continue;
		count++;
		/* Refused while it is ending already: seen the next time. */
		(void)!tell(qmp, is_over ? "job-dismiss" : "job-cancel", "id",
		    id, NULL);
	}
	return count;
}

/* The nodes of ours, those that stand on others before these. */
static int
delete_nodes(struct vm_qmp *qmp, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *nodes = NULL;
	struct vm_json *flat = vm_json_new_object();
	size_t round, i;

	if (vm_json_set_bool(flat, "flat", true, err) == -1) {
		vm_json_free(flat);
		return -1;
	}
	if (vm_qmp_call(qmp, "query-named-block-nodes", flat,
		VM_SESSION_WORK_MS, &nodes, err) == -1)
		return -1;
	for (round = 0; round < 2; round++) {
		for (i = 0; i < vm_json_count(nodes); i++) {
			const char *name = vm_json_string(vm_json_at(nodes, i),
			    "node-name", "");
			bool is_file = strstr(name, "-file") != NULL;

			if (vm_session_is_ours(name) &&
			    is_file == (round == 1) &&
			    tell(qmp, "blockdev-del", "node-name", name, err) ==
				-1)
				return -1;
		}
	}
	return 0;
}

int
vm_session_sweep(const struct vm_session *session, struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	uint64_t deadline_ms = vm_clock_ms() + VM_SESSION_WORK_MS;
	struct vm_error ignored = { 0 };
	int count;

	if (err == NULL)
		err = &ignored;
	qmp.deaf = true;
	if (vm_session_connect(session, &qmp, err) == -1)
		return -1;
	while ((count = end_jobs(&qmp, err)) > 0) {
		if (vm_clock_ms() >= deadline_ms)
			return vm_error_set(err, VM_E_TRY_AGAIN, "timeout",
			    "%s: an earlier copy does not end", session->name);
		vm_clock_wait(POLL_MS);
	}
	return count == -1 ? -1 : delete_nodes(&qmp, err);
}
