#include "lib/store/publish.h"

#include <pthread.h>
#include <stdatomic.h>

#include "test/store_objects.h"

/* --- names that are taken --------------------------------------------------*/

static void
test_taken(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	int vms = store->fds[VM_STORE_VMS];
	struct vm_error err = { 0 };
	struct stat st;

	put_master(store);
	assert_int_equal(0, mkdirat(vms, "dir", 0700));
	assert_int_equal(0, symlinkat("/nowhere", vms, "link"));
	close(openat(vms, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	for (int i = 0; i < 3; i++) {
		const char *const names[] = { "dir", "link", "file" };

		vm_error_clear(&err);
		assert_int_equal(-1,
		    make(store, names[i], "1", VM_PUBLISH_NEW, &err));
		assert_int_equal(VM_E_EXISTS, err.kind);
		assert_string_equal("exists", err.code);
	}
	assert_int_equal(0, fstatat(vms, "link", &st, AT_SYMLINK_NOFOLLOW));
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(-1, make(store, "no", "1", VM_PUBLISH_REPLACE, &err));
	assert_string_equal("not_found", err.code);
	assert_int_equal(-1,
	    vm_publish_exchange(store, VM_STORE_VMS, "dir", VM_STORE_OLD, "no",
		&err));
	assert_string_equal("not_found", err.code);
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
	assert_int_equal(0, fixture_count(store, VM_STORE_OLD));
}

static void
test_trash(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_FREE char *first = NULL, *second = NULL;
	struct vm_error err = { 0 };

	put_master(store);
	assert_int_equal(0, make(store, "a", "1", VM_PUBLISH_NEW, NULL));
	assert_int_equal(0, mkdirat(store->fds[VM_STORE_TRASH], "a.9", 0700));
	assert_int_equal(0,
	    mkdirat(store->fds[VM_STORE_TRASH], "a.b.77", 0700));
	assert_int_equal(0,
	    vm_publish_trash(store, VM_STORE_VMS, "a", &first, NULL));
	assert_string_equal("a.10", first);
	assert_int_equal(0, make(store, "a", "2", VM_PUBLISH_NEW, NULL));
	assert_int_equal(-1,
	    vm_publish_untrash(store, first, VM_STORE_VMS, "a", &err));
	assert_string_equal("exists", err.code);
	assert_int_equal(0,
	    vm_publish_trash(store, VM_STORE_VMS, "a", &second, NULL));
	assert_string_equal("a.11", second);
	assert_int_equal(0,
	    vm_publish_untrash(store, first, VM_STORE_VMS, "a", NULL));
	assert_object(store, VM_STORE_VMS, "a", "1");
	assert_int_equal(-1,
	    vm_publish_trash(store, VM_STORE_VMS, "b", NULL, &err));
	assert_string_equal("not_found", err.code);
}

static void
test_trash_that_does_not_last(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_STORE struct vm_store *faulty = NULL;

	put_master(store);
	assert_int_equal(0, make(store, "a", "1", VM_PUBLISH_NEW, NULL));
	faulty = fixture_open(f, "fsync_dir:1+:EIO");
	assert_int_equal(-1,
	    vm_publish_trash(faulty, VM_STORE_VMS, "a", NULL, NULL));
	assert_object(store, VM_STORE_VMS, "a", "1");
	assert_int_equal(0, fixture_count(store, VM_STORE_TRASH));
}

/* --- sweeping --------------------------------------------------------------*/

static void
test_sweep_spares_work(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	int tmp_fd = store->fds[VM_STORE_TMP];
	size_t count;

	put_master(store);
	assert_int_equal(0, build(store, &publish, false, "1", NULL));
	assert_int_equal(0, mkdirat(tmp_fd, "old", 0700));
	assert_int_equal(0, mkdirat(tmp_fd, "old/deep", 0700));
	close(openat(tmp_fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(0, vm_publish_sweep(store, &count, NULL));
	assert_int_equal(2, count);
	assert_int_equal(1, fixture_count(store, VM_STORE_TMP));
	assert_int_equal(0,
	    vm_publish_commit(&publish, VM_STORE_VMS, "a", VM_PUBLISH_NEW,
		NULL));
	assert_object(store, VM_STORE_VMS, "a", "1");
}

static void
test_abort_of_a_big_one(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	struct vm_publish publish;
	char name[32];

	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		close(vm_publish_create(&publish, name, NULL));
	}
	assert_int_equal(0, mkdirat(publish.dir_fd, "sub", 0700));
	assert_int_equal(0, symlinkat("/etc", publish.dir_fd, "etc"));
	vm_publish_abort(&publish);
	vm_publish_abort(&publish);
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
	assert_int_equal(0, access("/etc/passwd", F_OK));
}

struct sweeper {
	struct vm_store *store;
	atomic_bool stop;
	size_t swept;
};

static void *
sweep_all_the_time(void *arg)
{
	struct sweeper *sweeper = arg;
	struct vm_error err = { 0 };
	size_t count;

	while (!atomic_load(&sweeper->stop)) {
		if (vm_publish_sweep(sweeper->store, &count, &err) == -1)
			return arg;
		sweeper->swept += count;
	}
	return NULL;
}

/* Makers never notice sweepers, whatever the interleaving. */
static void
test_sweep_races(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_STORE struct vm_store *other = fixture_open(f, NULL);
	struct sweeper sweeper = { .store = other };
	struct vm_error err = { 0 };
	pthread_t thread;
	void *failed;

	put_master(store);
	assert_int_equal(0,
	    pthread_create(&thread, NULL, sweep_all_the_time, &sweeper));
	for (int i = 0; i < 150; i++) {
		VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
		char name[32];

		snprintf(name, sizeof(name), "vm%d", i);
		if (build(store, &publish, true, "1", &err) == -1)
			print_error("%s\n", err.message);
		assert_false(vm_error_is_set(&err));
		publish.durable = false;
		assert_int_equal(0,
		    vm_publish_commit(&publish, VM_STORE_VMS, name,
			VM_PUBLISH_NEW, &err));
		assert_object(store, VM_STORE_VMS, name, "1");
		assert_int_equal(0,
		    vm_publish_file(store, store->fds[VM_STORE_ALIASES], "x",
			0600, "1", 1, true, &err));
	}
	atomic_store(&sweeper.stop, true);
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
}

static void
test_file(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_STORE struct vm_store *faulty = NULL;
	struct vm_error err = { 0 };
	struct stat st;
	int dirfd = store->fds[VM_STORE_ALIASES];

	assert_int_equal(0,
	    vm_publish_file(store, dirfd, "x", 0640, "1", 1, false, NULL));
	assert_int_equal(-1,
	    vm_publish_file(store, dirfd, "x", 0640, "22", 2, false, &err));
	assert_string_equal("exists", err.code);
	assert_int_equal(0, fstatat(dirfd, "x", &st, 0));
	assert_int_equal(1, st.st_size);
	assert_int_equal(0640, st.st_mode & 07777);
	for (size_t p = 0; p < sizeof(points) / sizeof(*points); p++) {
		bool is_late = strcmp(points[p], "fsync_dir") == 0;
		bool is_met = strcmp(points[p], "syncfs") != 0 &&
		    strcmp(points[p], "mkdir") != 0;
		char fault[64];

		snprintf(fault, sizeof(fault), "%s:1+:EIO", points[p]);
		vm_store_clean(&faulty);
		faulty = fixture_open(f, fault);
		assert_int_equal(is_met ? -1 : 0,
		    vm_publish_file(faulty, dirfd, "x", 0600, "333", 3, true,
			&err));
		assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
		assert_int_equal(0, fstatat(dirfd, "x", &st, 0));
		/* a sync of the directory fails too late to be undone */
		assert_int_equal(is_met && !is_late ? 1 : 3, st.st_size);
		assert_int_equal(0,
		    vm_publish_file(store, dirfd, "x", 0600, "1", 1, true,
			NULL));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_taken),
		FIXTURE_TEST(test_trash),
		FIXTURE_TEST(test_trash_that_does_not_last),
		FIXTURE_TEST(test_sweep_spares_work),
		FIXTURE_TEST(test_abort_of_a_big_one),
		FIXTURE_TEST(test_sweep_races),
		FIXTURE_TEST(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
