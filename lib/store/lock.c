#include "lib/store/lock.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/proc.h"

#define PAUSE_MAX_MS 50 /* between two tries */
#define PROBE_MS 1000	/* a lock free but for probes is had by then */

static int
try_lock(int fd, int how)
{
	int result;

	do
		result = flock(fd, how | LOCK_NB);
	while (result == -1 && errno == EINTR);
	return result;
}

/*
 * vm_lock_is_held() has to take a lock for an instant to see that it is free.
 * That must not turn somebody else away who takes it at that instant: when the
 * lock cannot be had exclusively but can be shared, it is worth a few retries.
 */
static bool
is_only_probed(int fd)
{
	return try_lock(fd, LOCK_SH) == 0 && flock(fd, LOCK_UN) == 0;
}

/* 1: ours; 0: held by another for too long; -1: error. */
static int
wait_for(int fd, bool shared, uint64_t wait_ms, struct vm_error *err)
{
	uint64_t start = vm_clock_ms(), pause = 1, passed;

	while (try_lock(fd, shared ? LOCK_SH : LOCK_EX) == -1) {
		if (errno != EWOULDBLOCK)
			return vm_error_errno(err, errno, "flock");
		passed = vm_clock_ms() - start;
		if (passed >= wait_ms && wait_ms != VM_LOCK_FOREVER &&
		    (passed >= PROBE_MS || shared || !is_only_probed(fd)))
			return 0;
		if (vm_proc_check_stop(err) == -1)
			return -1;
		vm_clock_wait(pause);
		pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	}
	return 1;
}

/* Is fd still what the name stands for? */
static int
is_current(int fd, int dirfd, const char *name, struct vm_error *err)
{
	struct stat mine, named;

	if (fstat(fd, &mine) == -1)
		return vm_error_errno(err, errno, "%s", name);
	if (!S_ISREG(mine.st_mode))
		return vm_error_set(err, VM_E_DENIED, "not_regular",
		    "%s: not a regular file", name);
	if (fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 :
					 vm_error_errno(err, errno, "%s", name);
	return mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

int
vm_lock_take(int dirfd, const char *name, bool shared, bool create,
    uint64_t wait_ms, struct vm_error *err)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;

	for (;;) {
		VM_CLEAN_FD int fd = openat(dirfd, name,
		    flags | (create ? O_CREAT : 0), 0600);
		int result;

		if (fd == -1 && errno == EINTR)
			continue;
		if (fd == -1)
			return vm_error_errno(err, errno, "%s", name);
		result = wait_for(fd, shared, wait_ms, err);
		if (result == -1)
			return vm_error_wrap(err, "%s", name);
		if (result == 0)
			return vm_error_set(err, VM_E_TRY_AGAIN, "locked",
			    "%s: locked by another process", name);
		result = is_current(fd, dirfd, name, err);
		if (result == -1)
			return -1;
		if (result == 1)
			return VM_TAKE_FD(fd);
	}
}

int
vm_lock_named(struct vm_store *store, const char *name, uint64_t wait_ms,
    struct vm_error *err)
{
	return vm_lock_take(store->fds[VM_STORE_LOCKS], name, false, true,
	    wait_ms, err);
}

int
vm_lock_is_held(int dirfd, const char *name, struct vm_error *err)
{
	VM_CLEAN_FD int fd = openat(dirfd, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);

	if (fd == -1)
		return errno == ENOENT ? 0 :
					 vm_error_errno(err, errno, "%s", name);
	if (try_lock(fd, LOCK_SH) == 0)
		return 0; /* closing it unlocks */
	return errno == EWOULDBLOCK ? 1 :
				      vm_error_errno(err, errno, "%s", name);
}
