/* process.c - see process.h. */
#include "lib/qemu/process.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clean.h"

static void
clean_dir(DIR **dir)
{
	if (*dir != NULL)
		closedir(*dir);
}

/* Does the process have this file open? */
static bool
has_open(int pid, const struct stat *file)
{
	VM_CLEAN(clean_dir) DIR *dir = NULL;
	struct dirent *entry;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
		    st.st_ino == file->st_ino && st.st_dev == file->st_dev)
			return true;
	}
	return false;
}

int
vm_process_connect(const struct vm_json *record, int dir_fd,
    uint64_t timeout_ms, struct vm_qmp *qmp, struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp fresh = VM_QMP_CLOSED;

	fresh.deaf = qmp->deaf;
	if (vm_qmp_connect(&fresh, dir_fd, timeout_ms, err) == -1 ||
	    vm_qmp_check_uuid(&fresh,
		vm_json_string(record, "identity.uuid", ""), timeout_ms,
		err) == -1)
		return -1;
	*qmp = fresh;
	fresh = (struct vm_qmp)VM_QMP_CLOSED;
	return 0;
}

bool
vm_process_has_agent(struct vm_qmp *qmp)
{
	VM_CLEAN_JSON struct vm_json *list = NULL;
	size_t i;

	if (qmp->fd == -1 ||
	    vm_qmp_call(qmp, "query-chardev", NULL, VM_PROCESS_ASK_MS, &list,
		NULL) == -1)
		return false;
	for (i = 0; i < vm_json_count(list); i++) {
		const struct vm_json *device = vm_json_at(list, i);

		if (strcmp(vm_json_string(device, "label", ""), "agent") == 0)
			return vm_json_bool(device, "frontend-open", false);
	}
	return false;
}

int
vm_process_open(const struct vm_json *record, int dir_fd, struct vm_qmp *qmp,
    struct vm_error *err)
{
	int pid = (int)vm_json_int(record, "run.pid", 0);
	VM_CLEAN_FD int pidfd = -1;
	struct stat lock;

	if (qmp != NULL && qmp->fd >= 0 &&
	    vm_qmp_get_pid(qmp, VM_PROCESS_ASK_MS, &pid, err) == -1)
		return -1;
	if (fstatat(dir_fd, "lock", &lock, AT_SYMLINK_NOFOLLOW) == -1)
		return vm_error_errno(err, errno, "lock");
	if (pid > 1)
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* The pidfd is open: the number cannot become another's from here. */
	if (pidfd == -1 || !has_open(pid, &lock) || vm_process_has_ended(pidfd))
		return vm_error_set(err, VM_E_UNAVAILABLE, "no_process",
		    "the process that runs it cannot be found");
	return VM_TAKE_FD(pidfd);
}

bool
vm_process_has_ended(int pidfd)
{
	return vm_process_wait_end(pidfd, 0);
}

bool
vm_process_wait_end(int pidfd, uint64_t wait_ms)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	return pidfd < 0 || poll(&poll_fd, 1, (int)wait_ms) == 1;
}
