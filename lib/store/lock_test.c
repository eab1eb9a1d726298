#include "lib/store/lock.h"

#include <sys/file.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "lib/base/clock.h"
#include "test/store_fixture.h"

static void
test_take(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	int dirfd = store->fds[VM_STORE_LOCKS], a, b;
	struct vm_error err = { 0 };
	uint64_t start;

	assert_int_equal(0, vm_lock_is_held(dirfd, "x", NULL));
	assert_int_equal(-1,
	    vm_lock_take(dirfd, "x", false, false, VM_LOCK_NO_WAIT, &err));
	assert_string_equal("not_found", err.code);
	a = vm_lock_named(store, "x", VM_LOCK_NO_WAIT, NULL);
	assert_true(a >= 0);
	assert_int_equal(1, vm_lock_is_held(dirfd, "x", NULL));
	start = vm_clock_ms();
	assert_int_equal(-1, vm_lock_named(store, "x", 30, &err));
	assert_int_equal(VM_E_TRY_AGAIN, err.kind);
	assert_string_equal("locked", err.code);
	assert_true(vm_clock_ms() - start >= 30);
	close(a);
	assert_int_equal(0, vm_lock_is_held(dirfd, "x", NULL));
	/* shared ones go together */
	a = vm_lock_take(dirfd, "x", true, true, VM_LOCK_NO_WAIT, NULL);
	b = vm_lock_take(dirfd, "x", true, true, VM_LOCK_NO_WAIT, NULL);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(-1, vm_lock_named(store, "x", VM_LOCK_NO_WAIT, &err));
	close(a);
	close(b);
}

static void
test_not_a_file(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	int dirfd = store->fds[VM_STORE_LOCKS];
	struct vm_error err = { 0 };

	assert_int_equal(0, symlinkat("/etc/passwd", dirfd, "link"));
	assert_int_equal(-1, vm_lock_named(store, "link", 0, &err));
	assert_int_equal(VM_E_DENIED, err.kind);
	assert_int_equal(0, mkfifoat(dirfd, "fifo", 0600));
	assert_int_equal(-1, vm_lock_named(store, "fifo", 0, &err));
	assert_string_equal("not_regular", err.code);
}

struct waiter {
	struct vm_store *store;
	atomic_int fd;
};

static void *
wait_for_lock(void *arg)
{
	struct waiter *waiter = arg;

	atomic_store(&waiter->fd,
	    vm_lock_named(waiter->store, "x", 20000, NULL));
	return NULL;
}

/* Somebody else has opened the file that fd is open on. */
static void
wait_until_opened_twice(int fd)
{
	struct stat mine, other;
	int count = 0;

	assert_int_equal(0, fstat(fd, &mine));
	while (count < 2) {
		count = 0;
		for (int i = 3; i < 64; i++)
			count += fstat(i, &other) == 0 &&
			    other.st_ino == mine.st_ino &&
			    other.st_dev == mine.st_dev;
		sched_yield();
	}
}

/* Who waited for a file that was replaced gets the new file's lock. */
static void
test_replaced_while_waiting(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	int dirfd = store->fds[VM_STORE_LOCKS];
	struct waiter waiter = { .store = store, .fd = -2 };
	int old = vm_lock_named(store, "x", 0, NULL), new;
	struct stat mine, named;
	pthread_t thread;

	assert_true(old >= 0);
	assert_int_equal(0,
	    pthread_create(&thread, NULL, wait_for_lock, &waiter));
	wait_until_opened_twice(old);
	new = vm_lock_named(store, "y", 0, NULL);
	assert_true(new >= 0);
	assert_int_equal(0, renameat(dirfd, "y", dirfd, "x"));
	close(old);
	/* the old file is free, yet nobody gets the name's lock: it is ours */
	assert_int_equal(-1, vm_lock_named(store, "x", 30, NULL));
	close(new);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&waiter.fd) >= 0);
	assert_int_equal(0, fstat(atomic_load(&waiter.fd), &mine));
	assert_int_equal(0, fstatat(dirfd, "x", &named, 0));
	assert_int_equal(mine.st_ino, named.st_ino);
	close(atomic_load(&waiter.fd));
}

struct prober {
	struct vm_store *store;
	atomic_bool stop;
};

static void *
probe_all_the_time(void *arg)
{
	struct prober *prober = arg;

	while (!atomic_load(&prober->stop))
		if (vm_lock_is_held(prober->store->fds[VM_STORE_LOCKS], "x",
			NULL) == -1)
			return arg;
	return NULL;
}

/* vmls at work turns nobody away. */
static void
test_probes_do_not_disturb(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	struct prober prober = { .store = store };
	struct vm_error err = { 0 };
	pthread_t threads[2];
	void *failed;

	close(vm_lock_named(store, "x", 0, NULL));
	for (int i = 0; i < 2; i++)
		assert_int_equal(0,
		    pthread_create(&threads[i], NULL, probe_all_the_time,
			&prober));
	for (int i = 0; i < 300; i++) {
		int fd = vm_lock_named(store, "x", VM_LOCK_NO_WAIT, &err);

		assert_true(fd >= 0);
		close(fd);
	}
	atomic_store(&prober.stop, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

struct holder {
	int fd;
	pthread_barrier_t begun;
};

static void *
hold_for_a_moment(void *arg)
{
	struct holder *holder = arg;
	uint64_t start = vm_clock_ms();

	pthread_barrier_wait(&holder->begun);
	while (vm_clock_ms() - start < 4)
		sched_yield();
	close(holder->fd);
	return NULL;
}

/*
 * A probe that takes its time is waited for, although nobody wants to wait.
 * (On a busy machine it may take too much of it: once in many must do.)
 */
static void
test_slow_probe(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	int had = 0;

	for (int i = 0; i < 50 && had == 0; i++) {
		struct holder holder;
		pthread_t thread;
		int fd;

		holder.fd = vm_lock_take(store->fds[VM_STORE_LOCKS], "x", true,
		    true, VM_LOCK_NO_WAIT, NULL);
		assert_true(holder.fd >= 0);
		assert_int_equal(0,
		    pthread_barrier_init(&holder.begun, NULL, 2));
		assert_int_equal(0,
		    pthread_create(&thread, NULL, hold_for_a_moment, &holder));
		pthread_barrier_wait(&holder.begun);
		fd = vm_lock_named(store, "x", VM_LOCK_NO_WAIT, NULL);
		pthread_join(thread, NULL);
		pthread_barrier_destroy(&holder.begun);
		had += fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	assert_int_equal(1, had);
}

/* A lock belongs to the open file: whoever inherits it keeps it. */
static void
test_inherited(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	int fd = vm_lock_named(store, "x", 0, NULL), ready[2];
	pid_t pid;

	assert_int_equal(0, pipe2(ready, O_CLOEXEC));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char c;

		close(ready[1]);
		_exit(read(ready[0], &c, 1) == 0 ? 0 : 1);
	}
	close(ready[0]);
	close(fd);
	assert_int_equal(-1, vm_lock_named(store, "x", 0, NULL));
	close(ready[1]);
	assert_int_equal(pid, waitpid(pid, NULL, 0));
	fd = vm_lock_named(store, "x", 0, NULL);
	assert_true(fd >= 0);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_take),
		FIXTURE_TEST(test_not_a_file),
		FIXTURE_TEST(test_replaced_while_waiting),
		FIXTURE_TEST(test_probes_do_not_disturb),
		FIXTURE_TEST(test_slow_probe),
		FIXTURE_TEST(test_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
