#include "lib/store/use.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/fd.h"

#define CLOCK "clock"
#define LINE 80		      /* bytes in CLOCK at most */
#define SLACK_S 3600	      /* a clock that is set right is no jump */
#define AWAY_S (90 * 86400LL) /* a host may be off, or vmgc not run, so long */
#define SECOND_NS 1000000000LL
#define AGAIN_NS (SECOND_NS / 10)

/* --- readings --------------------------------------------------------------*/

/* A small file of /proc: its first line. */
static int
read_line(const char *path, char *line, size_t size, struct vm_error *err)
{
	VM_CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;

	if (fd == -1 ||
	    vm_fd_read(fd, line, size - 1, &got, path, NULL) == -1 || got == 0)
		return vm_error_set(err, VM_E_SYSTEM, "no_clock",
		    "%s: cannot be read", path);
	line[got] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

int
vm_use_read_time(struct vm_use_reading *now, struct vm_error *err)
{
	struct vm_use_reading reading = { .wall_s = time(NULL) };
	char uptime[64];

	/* not clock_gettime: what pretends to be another time forgets this */
	if (read_line("/proc/uptime", uptime, sizeof(uptime), err) == -1 ||
	    read_line("/proc/sys/kernel/random/boot_id", reading.boot,
		sizeof(reading.boot), err) == -1)
		return -1;
	reading.uptime_s = (int64_t)strtoll(uptime, NULL, 10);
	*now = reading;
	return 0;
}

/* --- locks/clock -----------------------------------------------------------*/

/* What was noted, and since when nothing is older than that. */
static bool
load(const struct vm_store *store, struct vm_use_reading *noted,
    int64_t *since_s)
{
	VM_CLEAN_FD int fd = openat(store->fds[VM_STORE_LOCKS], CLOCK,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char line[LINE + 1];
	char *rest;
	size_t got = 0;

	if (fd == -1 || vm_fd_read(fd, line, LINE, &got, CLOCK, NULL) == -1)
		return false;
	line[got] = '\0';
	rest = strchr(line, ' ');
	if (rest == NULL || line[got == 0 ? 0 : got - 1] != '\n' ||
	    (size_t)(rest - line) >= sizeof(noted->boot))
		return false;
	*rest++ = '\0';
	memcpy(noted->boot, line, strlen(line) + 1);
	noted->uptime_s = strtoll(rest, &rest, 10);
	noted->wall_s = strtoll(rest, &rest, 10);
	*since_s = strtoll(rest, &rest, 10);
	return *rest == '\n' && noted->wall_s > 0 && *since_s >= 0;
}

static bool
has_jumped(const struct vm_use_reading *noted, const struct vm_use_reading *now)
{
	int64_t wall = now->wall_s - noted->wall_s;
	int64_t passed = now->uptime_s - noted->uptime_s;

	if (strcmp(noted->boot, now->boot) != 0 || passed < 0)
		return wall < -SLACK_S || wall > AWAY_S;
	return wall - passed > SLACK_S || passed - wall > SLACK_S;
}

void
vm_use_check(struct vm_store *store, const struct vm_use_reading *now,
    struct vm_use_clock *clock)
{
	struct vm_use_reading noted;

	*clock = (struct vm_use_clock){ .now = *now };
	if (!load(store, &noted, &clock->since_s))
		clock->since_s = now->wall_s;
	else if (has_jumped(&noted, now)) {
		clock->since_s = now->wall_s;
		clock->jumped = true;
	}
}

uint64_t
vm_use_age(const struct vm_use_clock *clock, int64_t then_s)
{
	int64_t now = clock->now.wall_s;

	if (then_s > now)
		then_s = clock->since_s != 0 ? clock->since_s : now;
	if (then_s < clock->since_s)
		then_s = clock->since_s;
	return then_s < now ? (uint64_t)(now - then_s) : 0;
}

/* A file that is there is written in place, which needs no space. */
static void
write_clock(struct vm_store *store, const struct vm_use_reading *now,
    int64_t since_s, bool is_new)
{
	VM_CLEAN_FD int fd = openat(store->fds[VM_STORE_LOCKS], CLOCK,
	    O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_CREAT |
		(is_new ? O_EXCL : 0),
	    0640);
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	char line[LINE + 1];
	struct stat st;
	int len = snprintf(line, sizeof(line),
	    "%s %11" PRId64 " %11" PRId64 " %11" PRId64 "\n", now->boot,
	    now->uptime_s, now->wall_s, since_s);

	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    len >= (int)sizeof(line))
		return;
	if (vm_fd_pwrite(fd, line, (size_t)len, 0, CLOCK, NULL) == -1 ||
	    ftruncate(fd, len) == -1 || is_new)
		return;
	times[1] = st.st_mtim; /* the newest use, see vm_use_note() */
	if (futimens(fd, times) == -1)
		return;
}

void
vm_use_save(struct vm_store *store, const struct vm_use_clock *clock)
{
	write_clock(store, &clock->now, clock->since_s, false);
}

/* --- uses ------------------------------------------------------------------*/

/* The file whose mtime it is, relative to dir. */
static void
name_file(enum vm_store_dir dir, const char *object, char *out, size_t size)
{
	snprintf(out, size, "%s%s", object,
	    dir == VM_STORE_IMAGES     ? "/image.json" :
		dir == VM_STORE_LAYERS ? "/layer.json" :
					 "");
}

static bool
is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec ||
	    (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* What was used last of all, a moment ago, need not be noted again. */
static bool
is_noted(int dir_fd, const char *file, const struct timespec *newest,
    const struct timespec *now)
{
	int64_t since_ns = (now->tv_sec - newest->tv_sec) * SECOND_NS +
	    now->tv_nsec - newest->tv_nsec;
	struct stat st;

	return since_ns >= 0 && since_ns < AGAIN_NS &&
	    fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtim.tv_sec == newest->tv_sec &&
	    st.st_mtim.tv_nsec == newest->tv_nsec;
}

void
vm_use_note(struct vm_store *store, enum vm_store_dir dir, const char *object)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct timespec *use = &times[1];
	int locks = store->fds[VM_STORE_LOCKS];
	struct vm_use_reading now;
	struct stat clock;
	char file[160];

	if (fstatat(locks, CLOCK, &clock, AT_SYMLINK_NOFOLLOW) == -1) {
		if (vm_use_read_time(&now, NULL) == -1)
			return;
		write_clock(store, &now, 0, true);
		clock.st_mtim = (struct timespec){ 0 };
	}
	clock_gettime(CLOCK_REALTIME, use);
	name_file(dir, object, file, sizeof(file));
	if (is_noted(store->fds[dir], file, &clock.st_mtim, use))
		return;
	if (!is_before(&clock.st_mtim, use)) {
		*use = clock.st_mtim;
		use->tv_nsec += 1;
		if (use->tv_nsec >= SECOND_NS)
			*use = (struct timespec){ .tv_sec = use->tv_sec + 1 };
	}
	if (utimensat(store->fds[dir], file, times, AT_SYMLINK_NOFOLLOW) == 0 &&
	    utimensat(locks, CLOCK, times, AT_SYMLINK_NOFOLLOW) == -1)
		return;
}

int64_t
vm_use_last(const struct vm_store *store, enum vm_store_dir dir,
    const char *object)
{
	struct stat st;
	char file[160];

	name_file(dir, object, file, sizeof(file));
	if (fstatat(store->fds[dir], file, &st, AT_SYMLINK_NOFOLLOW) == -1 &&
	    fstatat(store->fds[dir], object, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * SECOND_NS + st.st_mtim.tv_nsec;
}
