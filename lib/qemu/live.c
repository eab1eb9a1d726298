/* live.c - see live.h. */
#include "lib/qemu/live.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/progress.h"
#include "lib/base/size.h"
#include "lib/qemu/freeze.h"
#include "lib/qemu/session.h"
#include "lib/store/vm.h"

#define POLL_MS 200

/* ---- the instant ---- */

/*
 * Let QEMU do all of `actions` (taken) at one instant, the guest's file systems
 * frozen if its agent can do that.
 */
static int
do_at_once(const struct vm_session *session, struct vm_json *actions,
    struct vm_error *err)
{
	VM_CLEAN_FREEZE struct vm_freeze freeze = VM_FREEZE_NONE;
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	struct vm_json *arguments = vm_json_new_object();
	int frozen = 0, rc;

	if (vm_json_set(arguments, "actions", actions, err) == -1) {
		vm_json_free(arguments);
		return -1;
	}
	if (session->has_agent)
		frozen = vm_freeze_begin(&freeze, session->dir_fd,
		    VM_FREEZE_HOLD_MS, err);
	if (frozen == -1 || vm_session_connect(session, &qmp, err) == -1) {
		vm_json_free(arguments);
		return -1;
	}
	rc = vm_qmp_call(&qmp, "transaction", arguments, VM_SESSION_WORK_MS,
	    NULL, err);
	if (!vm_freeze_end(&freeze))
		frozen = 0;
	if (rc == 0)
		vm_log(VM_LOG_INFO,
		    frozen == 1 ? "%s: its file systems were frozen" :
				  "%s: its disks are as after a power cut: no "
				  "agent in the guest could freeze them",
		    session->name);
	return rc;
}

/* Append {"type":type,"data":data} (taken). */
static int
add_action(struct vm_json *actions, const char *type, struct vm_json *data,
    struct vm_error *err)
{
	struct vm_json *action = vm_json_new_object();

	if (vm_json_set(action, "data", data, err) == -1 ||
	    vm_json_set_string(action, "type", type, err) == -1) {
		vm_json_free(action);
		return -1;
	}
	return vm_json_append(actions, action, err);
}

/* ---- copies ---- */

/* What the copy may take, at most. */
static int
measure(const struct vm_session *session, const struct vm_live_target *target,
    uint64_t *need, struct vm_error *err)
{
	const struct vm_json *disk = vm_json_at(vm_json_get(session->record,
						    "disks"),
	    target->disk);
	struct stat st, own;

	if (fstatat(session->dir_fd, vm_vm_disk_file(disk), &st,
		AT_SYMLINK_NOFOLLOW) == -1 ||
	    fstat(target->fd, &own) == -1)
		return vm_error_errno(err, errno, "%s: disk %zu", session->name,
		    target->disk);
	/* QEMU fills the holes of a raw file until it is done. */
	*need = strcmp(target->format, "raw") == 0 ?
	    (uint64_t)own.st_size :
	    (uint64_t)st.st_blocks * 512;
	return 0;
}

/*
 * A copy that finds no space would make the guest's writes fail, which must
 * save there first what they overwrite: not begun, then.  All copies are in the
 * store's tmp/, and under way together.
 */
static int
check_space(const struct vm_session *session,
    const struct vm_live_target *targets, size_t count, struct vm_error *err)
{
	uint64_t needs = 0, need = 0;
	char text[VM_SIZE_TEXT];
	struct statvfs fs;
	size_t i;

	for (i = 0; i < count; i++) {
		if (measure(session, &targets[i], &need, err) == -1)
			return -1;
		needs += need + need / 16;
	}
	if (count == 0)
		return 0;
	if (fstatvfs(targets[0].fd, &fs) == -1)
		return vm_error_errno(err, errno, "%s", session->name);
	if (needs <= fs.f_bavail * fs.f_frsize)
		return 0;
	return vm_error_set(err, VM_E_IO, "no_space",
	    "%s: a copy of its disk%s may need %s, more than is free",
	    session->name, count > 1 ? "s" : "",
	    vm_size_format(needs, false, text));
}

/* An open file description of its own: QEMU's locks end with it, not us. */
static int
reopen(int fd, struct vm_error *err)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	return again == -1 ? vm_error_errno(err, errno, "the copy") : again;
}

/* blockdev-add of a node; `node` is a format whose holes are filled. */
static int
add_node(struct vm_qmp *qmp, const char *text, struct vm_error *err)
{
	struct vm_json *node = vm_json_parse(text, strlen(text), err);

	return node == NULL ? -1 :
			      vm_qmp_call(qmp, "blockdev-add", node,
				  VM_SESSION_WORK_MS, NULL, err);
}

static int
add_target(struct vm_qmp *qmp, const struct vm_live_target *target, size_t i,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = reopen(target->fd, err);
	bool is_raw = strcmp(target->format, "raw") == 0;
	char text[512];
	int64_t set;

	if (fd == -1 ||
	    vm_qmp_pass_fd(qmp, fd, VM_SESSION_WORK_MS, &set, err) == -1)
		return -1;
	snprintf(text, sizeof(text),
	    "{\"driver\":\"file\",\"node-name\":\"" VM_SESSION_PREFIX
	    "%zu-file\",\"filename\":\"/dev/fdset/%lld\"}",
	    i, (long long)set);
	if (add_node(qmp, text, err) == -1)
		return -1;
	snprintf(text, sizeof(text),
	    "{\"driver\":\"%s\",\"node-name\":\"" VM_SESSION_PREFIX
	    "%zu\",\"file\":\"" VM_SESSION_PREFIX "%zu-file\"%s}",
	    is_raw ? "raw" : "qcow2", i, i, is_raw ? "" : ",\"backing\":null");
	return add_node(qmp, text, err);
}

static int
add_targets(const struct vm_session *session,
    const struct vm_live_target *targets, size_t count, struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	size_t i;

	if (check_space(session, targets, count, err) == -1 ||
	    vm_session_connect(session, &qmp, err) == -1)
		return -1;
	for (i = 0; i < count; i++) {
		if (add_target(&qmp, &targets[i], i, err) == -1)
			return -1;
	}
	return 0;
}

static int
add_backup(struct vm_json *actions, const struct vm_live_target *target,
    size_t i, struct vm_error *err)
{
	char text[512];
	struct vm_json *data;

	snprintf(text, sizeof(text),
	    "{\"job-id\":\"" VM_SESSION_PREFIX
	    "%zu\",\"device\":\"disk%zu\",\"target\":\"" VM_SESSION_PREFIX
	    "%zu\",\"sync\":\"%s\",\"auto-dismiss\":false}",
	    i, target->disk, i, target->full ? "full" : "top");
	data = vm_json_parse(text, strlen(text), err);
	return data == NULL ? -1 :
			      add_action(actions, "blockdev-backup", data, err);
}

static int
begin_copy(const struct vm_session *session,
    const struct vm_live_target *targets, size_t count, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *actions = vm_json_new_array();
	size_t i;

	if (add_targets(session, targets, count, err) == -1)
		return -1;
	for (i = 0; i < count; i++) {
		if (add_backup(actions, &targets[i], i, err) == -1)
			return -1;
	}
	return do_at_once(session, VM_TAKE(actions), err);
}

/* One look at our jobs: 1 all are over, 0 not yet; -1 when one has failed. */
static int
look(const struct vm_json *jobs, size_t count, struct vm_error *err)
{
	uint64_t total = 0, done = 0;
	size_t over = 0, i;

	for (i = 0; i < vm_json_count(jobs); i++) {
		const struct vm_json *job = vm_json_at(jobs, i);
		const char *why = vm_json_string(job, "error", NULL);

		if (!vm_session_is_ours(vm_json_string(job, "id", "")))
			continue;
		if (why != NULL)
			return vm_error_set(err, VM_E_IO, "copy_failed",
			    "QEMU cannot copy the disk: %s", why);
		total += (uint64_t)vm_json_int(job, "total-progress", 0);
		done += (uint64_t)vm_json_int(job, "current-progress", 0);
		over += strcmp(vm_json_string(job, "status", ""),
			    "concluded") == 0;
	}
	vm_progress_total(total);
	vm_progress_update(done);
	return over == count;
}

static int
wait_copied(const struct vm_session *session, size_t count,
    struct vm_error *err)
{
	int rc = 0;

	vm_progress_start(session->name, 0, VM_PROGRESS_BYTES);
	while (rc == 0) {
		VM_CLEAN_JSON struct vm_json *jobs = vm_session_ask(session,
		    "query-jobs", err);

		rc = jobs == NULL ? -1 : look(jobs, count, err);
		if (rc == 0)
			vm_clock_wait(POLL_MS);
		if (rc == 0 && vm_proc_check_stop(err) == -1)
			rc = -1;
	}
	vm_progress_end();
	return rc == 1 ? 0 : -1;
}

/* QEMU has made zeros of what are holes: give the space back. */
static int
make_holes(int fd, struct vm_error *err)
{
	struct stat st;
	off_t hole, data = 0;

	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "the copy");
	while (data < st.st_size) {
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole == -1 || hole >= st.st_size)
			break;
		data = lseek(fd, hole, SEEK_DATA);
		if (data == -1)
			data = st.st_size;
		/* Where holes cannot be made the copy is only larger. */
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			hole, data - hole) == -1 &&
		    errno != EOPNOTSUPP)
			return vm_error_errno(err, errno, "the copy");
	}
	return 0;
}

int
vm_live_copy(const struct vm_json *record, int dir_fd,
    const struct vm_live_target *targets, size_t count, struct vm_error *err)
{
	VM_CLEAN_SESSION struct vm_session session = VM_SESSION_CLOSED;
	int rc;

	if (vm_session_open(&session, record, dir_fd, err) == -1)
		return -1;
	rc = begin_copy(&session, targets, count, err);
	if (rc == 0)
		rc = wait_copied(&session, count, err);
	/* Also what was begun only in part. */
	if (vm_session_sweep(&session, rc == 0 ? err : NULL) == -1)
		return -1;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (strcmp(targets[i].format, "raw") == 0)
			rc = make_holes(targets[i].fd, err);
	}
	return rc;
}

/* ---- snapshots ---- */

/* {"device":"diskN","name":tag}. */
static struct vm_json *
name_snapshot(size_t disk, const char *tag, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *data = vm_json_new_object();
	char device[32];

	snprintf(device, sizeof(device), "disk%zu", disk);
	if (vm_json_set_string(data, "device", device, err) == -1 ||
	    vm_json_set_string(data, "name", tag, err) == -1)
		return NULL;
	return VM_TAKE(data);
}

int
vm_live_snapshot(const struct vm_json *record, int dir_fd, const size_t *disks,
    size_t count, const char *tag, struct vm_error *err)
{
	VM_CLEAN_SESSION struct vm_session session = VM_SESSION_CLOSED;
	VM_CLEAN_JSON struct vm_json *actions = vm_json_new_array();
	size_t i;

	if (vm_session_open(&session, record, dir_fd, err) == -1)
		return -1;
	for (i = 0; i < count; i++) {
		struct vm_json *data = name_snapshot(disks[i], tag, err);

		if (data == NULL ||
		    add_action(actions, "blockdev-snapshot-internal-sync", data,
			err) == -1)
			return -1;
	}
	return do_at_once(&session, VM_TAKE(actions), err);
}

int
vm_live_delete(const struct vm_json *record, int dir_fd, const size_t *disks,
    size_t count, const char *tag, struct vm_error *err)
{
	VM_CLEAN_SESSION struct vm_session session = VM_SESSION_CLOSED;
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	size_t i;

	if (vm_session_open(&session, record, dir_fd, err) == -1 ||
	    vm_session_connect(&session, &qmp, err) == -1)
		return -1;
	for (i = 0; i < count; i++) {
		struct vm_json *data = name_snapshot(disks[i], tag, err);

		if (data == NULL ||
		    vm_qmp_call(&qmp, "blockdev-snapshot-delete-internal-sync",
			data, VM_SESSION_WORK_MS, NULL, err) == -1)
			return -1;
	}
	return 0;
}
