/*
 * The order of calls is the proof of durability: a journal hides a missing
 * fsync from every test but one that looks at the calls.
 */
#include "lib/store/publish.h"

#include <pthread.h>
#include <stdatomic.h>

#include "test/store_fixture.h"

#define MANY 40

static const char *const points[] = { "open", "write", "fsync", "syncfs",
	"link", "rename", "mkdir", "fsync_dir" };

/* A master to be linked. */
static void
put_master(struct vm_store *store)
{
	assert_int_equal(0,
	    vm_publish_file(store, store->fds[VM_STORE_FILES], "base", 0444,
		"master", 6, true, NULL));
}

/* What a clone is made of. */
static int
build(struct vm_store *store, struct vm_publish *publish, bool batched,
    const char *text, struct vm_error *err)
{
	if (vm_publish_begin(store, publish, err) == -1)
		return -1;
	publish->batched = batched;
	if (vm_publish_link(publish, store->fds[VM_STORE_FILES], "base",
		"base.raw", err) == -1 ||
	    vm_publish_write(publish, "disk", 0600, "disk", 4, err) == -1)
		return -1;
	return vm_publish_write(publish, "vm.json", 0600, text, strlen(text),
	    err);
}

static int
make(struct vm_store *store, const char *name, const char *text,
    enum vm_publish_mode mode, struct vm_error *err)
{
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };

	if (build(store, &publish, false, text, err) == -1)
		return -1;
	return vm_publish_commit(&publish, VM_STORE_VMS, name, mode, err);
}

static int
make_many(struct vm_store *store, size_t count, struct vm_error *results,
    struct vm_error *err)
{
	struct vm_publish publishes[MANY] = { 0 };
	char text[MANY][8];
	const char *names[MANY];
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		snprintf(text[i], sizeof(text[i]), "vm%zu", i);
		names[i] = text[i];
		result = build(store, &publishes[i], true, "many", err);
	}
	if (result == 0)
		result = vm_publish_commit_all(publishes, VM_STORE_VMS, names,
		    VM_PUBLISH_NEW, results, count, err);
	for (size_t i = 0; i < count; i++)
		vm_publish_abort(&publishes[i]);
	return result;
}

/* Its text when complete, "" when absent; anything else fails the test. */
static void
assert_object(struct vm_store *store, enum vm_store_dir dir, const char *name,
    const char *text)
{
	VM_CLEAN_FD int fd = vm_store_open_object(store, dir, name, NULL);
	char found[64] = "";
	ssize_t n;
	int file;

	if (fd != -1) {
		assert_int_equal(0, faccessat(fd, "base.raw", F_OK, 0));
		assert_int_equal(0, faccessat(fd, "disk", F_OK, 0));
		file = openat(fd, "vm.json", O_RDONLY | O_CLOEXEC);
		assert_true(file >= 0);
		n = read(file, found, sizeof(found) - 1);
		assert_true(n >= 0);
		close(file);
	}
	assert_string_equal(text, found);
}

/* --- order -----------------------------------------------------------------*/

#define BUILT                                                                  \
	"mkdir tmp/*\nopen tmp/*\nlink */base.raw\n"                           \
	"open */disk\nwrite disk\nfsync disk\n"                                \
	"open */vm.json\nwrite vm.json\nfsync vm.json\n"

static void
test_order_of_one(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *plain = fixture_open(f, NULL);
	VM_CLEAN_STORE struct vm_store *store = NULL;

	put_master(plain);
	fixture_log(f);
	store = fixture_open(f, NULL);
	assert_int_equal(0, make(store, "a", "1", VM_PUBLISH_NEW, NULL));
	fixture_assert_log(f,
	    BUILT "fsync_dir *\nrename vms/a\nfsync_dir vms\nfsync_dir tmp\n");
	fixture_log(f);
	assert_int_equal(0, make(store, "a", "2", VM_PUBLISH_REPLACE, NULL));
	fixture_assert_log_then(f,
	    BUILT "fsync_dir *\nrename vms/a\nfsync_dir vms\nfsync_dir tmp\n",
	    "unlink */");
}

static void
test_order_of_keeping(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = NULL;

	fixture_log(f);
	store = fixture_open(f, NULL);
	put_master(store);
	assert_int_equal(0, make(store, "a", "1", VM_PUBLISH_NEW, NULL));
	fixture_log(f);
	assert_int_equal(0,
	    make(store, "a", "2", VM_PUBLISH_REPLACE_KEEP, NULL));
	fixture_assert_log(f,
	    BUILT "fsync_dir *\nrename trash/a.1\nrename vms/a\n"
		  "fsync_dir vms\nfsync_dir trash\n");
	assert_object(store, VM_STORE_VMS, "a", "2");
	assert_object(store, VM_STORE_TRASH, "a.1", "1");
	fixture_log(f);
	assert_int_equal(0,
	    vm_publish_trash(store, VM_STORE_VMS, "a", NULL, NULL));
	fixture_assert_log(f,
	    "rename trash/a.2\nfsync_dir trash\nfsync_dir vms\n");
	fixture_log(f);
	assert_int_equal(0,
	    vm_publish_untrash(store, "a.1", VM_STORE_VMS, "a", NULL));
	fixture_assert_log(f, "rename vms/a\nfsync_dir vms\nfsync_dir trash\n");
	assert_object(store, VM_STORE_VMS, "a", "1");
}

static void
test_order_of_many(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *plain = fixture_open(f, NULL);
	VM_CLEAN_STORE struct vm_store *store = NULL;
	struct vm_error results[2] = { 0 };

	put_master(plain);
	fixture_log(f);
	store = fixture_open(f, NULL);
	assert_int_equal(0, make_many(store, 2, results, NULL));
	fixture_assert_log(f,
	    "mkdir tmp/*\nopen tmp/*\nlink */base.raw\nopen */disk\n"
	    "write disk\nopen */vm.json\nwrite vm.json\n"
	    "mkdir tmp/*\nopen tmp/*\nlink */base.raw\nopen */disk\n"
	    "write disk\nopen */vm.json\nwrite vm.json\n"
	    "syncfs store\nrename vms/vm0\nrename vms/vm1\n"
	    "fsync_dir vms\nfsync_dir tmp\n");
}

static void
test_order_of_files(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = NULL;
	VM_CLEAN_FD int fd = -1;
	int dirfd;

	fixture_log(f);
	store = fixture_open(f, NULL);
	dirfd = store->fds[VM_STORE_ALIASES];
	fixture_log(f);
	assert_int_equal(0,
	    vm_publish_file(store, dirfd, "x", 0640, "1", 1, false, NULL));
	fixture_assert_log(f,
	    "open aliases/.\nwrite *\nfsync *\nlink aliases/x\n"
	    "fsync_dir aliases\n");
	fixture_log(f);
	assert_int_equal(0,
	    vm_publish_file(store, dirfd, "x", 0640, "2", 1, true, NULL));
	fixture_assert_log(f,
	    "open aliases/.\nwrite *\nfsync *\nlink tmp/*\nrename aliases/x\n"
	    "fsync_dir aliases\n");
	fixture_log(f);
	fd = vm_publish_tmpfile(store, VM_STORE_FILES, NULL);
	assert_true(fd >= 0);
	assert_int_equal(0,
	    vm_publish_tmpfile_commit(store, fd, VM_STORE_FILES, "y", 0400,
		NULL));
	fixture_assert_log(f,
	    "open files/.\nfsync *\nlink files/y\nfsync_dir files\n");
}

static void
test_store_is_made_to_last(void **state)
{
	struct fixture *f = *state;
	char expected[512];

	fixture_log(f);
	strcat(f->root, "/deep");
	vm_store_close(fixture_open(f, NULL));
	snprintf(expected, sizeof(expected),
	    "mkdir deep\nmkdir store\nfsync_dir %s\nmkdir deep\n"
	    "fsync_dir store\nmkdir deep/images\nmkdir deep/layers\n"
	    "mkdir deep/vms\nmkdir deep/volumes\nmkdir deep/files\n"
	    "mkdir deep/incoming\nmkdir deep/tmp\nmkdir deep/locks\n"
	    "mkdir deep/trash\nmkdir deep/quarantine\nmkdir deep/aliases\n"
	    "fsync_dir deep\n",
	    strrchr(f->dir, '/') + 1);
	fixture_assert_log(f, expected);
}

/* --- faults ----------------------------------------------------------------*/

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

static void
test_no_space_keeping(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);

	put_master(store);
	sweep_faults(f, "+", VM_PUBLISH_REPLACE_KEEP);
	/* as many old ones as were replaced, and no new one among them */
	assert_int_equal(NTH_MAX * sizeof(points) / sizeof(*points),
	    fixture_count(store, VM_STORE_TRASH));
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
	    make(store, "no", "1", VM_PUBLISH_REPLACE_KEEP, &err));
	assert_string_equal("not_found", err.code);
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
	assert_int_equal(0, fixture_count(store, VM_STORE_TRASH));
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
	for (int i = 0; i < 300; i++) {
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
		FIXTURE_TEST(test_order_of_one),
		FIXTURE_TEST(test_order_of_keeping),
		FIXTURE_TEST(test_order_of_many),
		FIXTURE_TEST(test_order_of_files),
		FIXTURE_TEST(test_store_is_made_to_last),
		FIXTURE_TEST(test_no_space),
		FIXTURE_TEST(test_no_space_from_then_on),
		FIXTURE_TEST(test_no_space_replacing),
		FIXTURE_TEST(test_no_space_keeping),
		FIXTURE_TEST(test_killed),
		FIXTURE_TEST(test_killed_replacing),
		FIXTURE_TEST(test_batch_faults),
		FIXTURE_TEST(test_links),
		FIXTURE_TEST(test_bad_faults),
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
