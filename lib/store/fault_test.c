/*
 * Each point of publishing failing, and the process killed there, in turn.
 */
#include "test/store_objects.h"

#define NTH_MAX 6

/* The same fault, then none: whole in the end, nothing broken between. */
static int
try_fault(const struct fixture *f, const char *fault, const char *name,
    enum vm_publish_mode mode)
{
	VM_CLEAN_STORE struct vm_store *clean = fixture_open(f, NULL);
	VM_CLEAN_STORE struct vm_store *faulty = NULL;
	bool is_new = mode == VM_PUBLISH_NEW;
	struct vm_error err = { 0 };
	int result;

	if (!is_new)
		assert_int_equal(0,
		    make(clean, name, "old", VM_PUBLISH_NEW, NULL));
	faulty = fixture_open(f, fault);
	result = make(faulty, name, "new", mode, &err);
	assert_int_equal(0, fixture_count(clean, VM_STORE_TMP));
	if (result == -1) {
		assert_int_equal(VM_E_IO, err.kind);
		assert_string_equal("no_space", err.code);
		assert_object(clean, VM_STORE_VMS, name, is_new ? "" : "old");
		assert_int_equal(0, make(clean, name, "new", mode, NULL));
	}
	assert_object(clean, VM_STORE_VMS, name, "new");
	return result;
}

/* Every point of the mode failing, once or from then on. */
static void
sweep_faults(const struct fixture *f, const char *plus,
    enum vm_publish_mode mode)
{
	for (size_t p = 0; p < sizeof(points) / sizeof(*points); p++) {
		int failures = 0;

		for (int nth = 1; nth <= NTH_MAX; nth++) {
			char fault[64], name[64];

			snprintf(fault, sizeof(fault), "%s:%d%s:ENOSPC",
			    points[p], nth, plus);
			snprintf(name, sizeof(name), "n%zu-%d", p, nth);
			failures += try_fault(f, fault, name, mode) == -1;
		}
		/* all but syncfs, which is for batches, were really met */
		assert_int_equal(strcmp(points[p], "syncfs") != 0,
		    failures > 0);
	}
}

static void
test_no_space(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);

	put_master(store);
	sweep_faults(f, "", VM_PUBLISH_NEW);
}

static void
test_no_space_from_then_on(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);

	put_master(store);
	sweep_faults(f, "+", VM_PUBLISH_NEW);
}

static void
test_no_space_replacing(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);

	put_master(store);
	sweep_faults(f, "+", VM_PUBLISH_REPLACE);
}

/* Killed at this point; what is there is whole, and a sweep takes the rest. */
static bool
is_killed(const struct fixture *f, const char *fault, const char *name,
    enum vm_publish_mode mode)
{
	VM_CLEAN_STORE struct vm_store *store = NULL;
	bool is_new = mode == VM_PUBLISH_NEW, is_there;
	int status;
	pid_t pid;

	store = fixture_open(f, NULL);
	if (!is_new)
		assert_int_equal(0,
		    make(store, name, "old", VM_PUBLISH_NEW, NULL));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(make(fixture_open(f, fault), name, "new", mode, NULL) ==
		    -1);
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_int_equal(0, vm_publish_sweep(store, NULL, NULL));
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
	is_there = make(store, name, "new", VM_PUBLISH_NEW, NULL) == -1;
	if (is_new)
		assert_object(store, VM_STORE_VMS, name, "new");
	assert_true(is_there || is_new);
	if (!is_new && make(store, name, "new", mode, NULL) == -1)
		fail();
	assert_object(store, VM_STORE_VMS, name, "new");
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void
sweep_kills(const struct fixture *f, enum vm_publish_mode mode)
{
	for (size_t p = 0; p < sizeof(points) / sizeof(*points); p++) {
		int kills = 0;

		for (int nth = 1; nth <= NTH_MAX; nth++) {
			char fault[64], name[64];

			snprintf(fault, sizeof(fault), "%s:%d:kill", points[p],
			    nth);
			snprintf(name, sizeof(name), "n%zu-%d", p, nth);
			kills += is_killed(f, fault, name, mode);
		}
		assert_int_equal(strcmp(points[p], "syncfs") != 0, kills > 0);
	}
}

static void
test_killed(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);

	put_master(store);
	sweep_kills(f, VM_PUBLISH_NEW);
}

static void
test_killed_replacing(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);

	put_master(store);
	sweep_kills(f, VM_PUBLISH_REPLACE);
}

static void
test_batch_faults(void **state)
{
	static const char *const faults[] = { "syncfs:1:EIO",
		"fsync_dir:1+:EIO", "rename:2:EIO" };
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *clean = fixture_open(f, NULL);
	struct vm_error results[MANY] = { 0 }, err = { 0 };

	put_master(clean);
	for (size_t i = 0; i < 2; i++) {
		VM_CLEAN_STORE struct vm_store *store = fixture_open(f,
		    faults[i]);

		assert_int_equal(-1, make_many(store, MANY, results, &err));
		assert_int_equal(VM_E_IO, err.kind);
		assert_int_equal(VM_E_IO, results[MANY - 1].kind);
		assert_int_equal(0, fixture_count(clean, VM_STORE_VMS));
		assert_int_equal(0, fixture_count(clean, VM_STORE_TMP));
	}
	vm_store_clean(&clean);
	clean = fixture_open(f, faults[2]);
	assert_int_equal(0, make_many(clean, MANY, results, &err));
	assert_int_equal(VM_E_IO, results[1].kind);
	assert_int_equal(VM_OK, results[2].kind);
	assert_int_equal(MANY - 1, fixture_count(clean, VM_STORE_VMS));
	assert_int_equal(0, make_many(clean, MANY, results, &err));
	assert_int_equal(VM_OK, results[1].kind);
	assert_string_equal("exists", results[2].code);
	assert_int_equal(MANY, fixture_count(clean, VM_STORE_VMS));
	assert_int_equal(0, fixture_count(clean, VM_STORE_TMP));
}

static void
test_links(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = NULL;
	struct vm_error err = { 0 };

	store = fixture_open(f, "link:2:EMLINK,link:3:EXDEV,link:4:EINTR");
	put_master(store);
	assert_int_equal(-1, make(store, "a", "1", VM_PUBLISH_NEW, &err));
	assert_int_equal(VM_E_SYSTEM, err.kind);
	assert_string_equal("too_many_links", err.code);
	assert_int_equal(-1, make(store, "a", "1", VM_PUBLISH_NEW, &err));
	assert_int_equal(VM_E_EXISTS, err.kind);
	assert_string_equal("cross_device", err.code);
	assert_int_equal(0, make(store, "a", "1", VM_PUBLISH_NEW, &err));
}

static void
test_bad_faults(void **state)
{
	static const char *const bad[] = { "x:1:EIO", "open", "open:0:EIO",
		"open:1:EWHAT", "open:1x:EIO", "open:1:EIO,write" };
	const struct fixture *f = *state;
	struct vm_error err = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		setenv("VMPIPE_FAULT", bad[i], 1);
		assert_null(vm_store_open(f->root, true, &err));
		assert_string_equal("bad_fault", err.code);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_no_space),
		FIXTURE_TEST(test_no_space_from_then_on),
		FIXTURE_TEST(test_no_space_replacing),
		FIXTURE_TEST(test_killed),
		FIXTURE_TEST(test_killed_replacing),
		FIXTURE_TEST(test_batch_faults),
		FIXTURE_TEST(test_links),
		FIXTURE_TEST(test_bad_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
