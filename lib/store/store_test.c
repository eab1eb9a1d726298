#include "lib/store/store.h"

#include <sys/resource.h>

#include <errno.h>

#include "test/store_fixture.h"

/* Opening must fail so. */
static void
assert_refused(const char *root, bool create, const char *code,
    const char *text)
{
	struct vm_error err = { 0 };
	struct vm_store *store = vm_store_open(root, create, &err);

	assert_null(store);
	assert_string_equal(code, err.code);
	if (strstr(err.message, text) == NULL)
		assert_string_equal(text, err.message);
}

static void
test_make_and_open(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = NULL;
	VM_CLEAN_FREE char *path = NULL;
	struct stat st;
	uint64_t bytes = 0;

	assert_refused(f->root, false, "no_store", "no store there yet");
	assert_int_equal(-1, access(f->root, F_OK));
	store = fixture_open(f, NULL);
	assert_string_equal(f->root, store->root);
	assert_int_equal(0, fstat(store->root_fd, &st));
	assert_int_equal(0750, st.st_mode & 07777);
	for (int i = 0; i < VM_STORE_DIRS; i++)
		assert_int_equal(FD_CLOEXEC, fcntl(store->fds[i], F_GETFD));
	path = vm_store_path(store, VM_STORE_VMS, "a", "disk.qcow2", NULL);
	assert_int_equal(0,
	    strcmp(path + strlen(f->root), "/vms/a/disk.qcow2"));
	assert_int_equal(0, vm_store_free_space(store, &bytes, NULL));
	assert_true(bytes > 0);
	vm_store_clean(&store);
	/* a lost directory is made anew, also when only looking */
	assert_int_equal(0, chdir(f->root));
	assert_int_equal(0, rmdir("layers"));
	store = vm_store_open("./", false, NULL);
	assert_non_null(store);
	assert_string_equal(f->root, store->root);
	assert_int_equal(0, access("layers", F_OK));
	assert_int_equal(0, chdir("/"));
}

static void
test_environment(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *a = NULL, *b = NULL;

	setenv("VMPIPE_ROOT", f->root, 1);
	a = vm_store_open(NULL, true, NULL);
	b = vm_store_open("", false, NULL);
	unsetenv("VMPIPE_ROOT");
	assert_non_null(a);
	assert_non_null(b);
	assert_string_equal(f->root, b->root);
}

static void
test_bad_roots(void **state)
{
	const struct fixture *f = *state;
	char path[128], deep[128];
	struct vm_store *store;

	vm_store_close(fixture_open(f, NULL));
	snprintf(path, sizeof(path), "%s/link", f->dir);
	assert_int_equal(0, symlink(f->root, path));
	assert_refused(path, true, "bad_store", "is a symbolic link");
	snprintf(path, sizeof(path), "%s/link///", f->dir);
	assert_refused(path, true, "bad_store", "is a symbolic link");
	snprintf(path, sizeof(path), "%s/file", f->dir);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_refused(path, true, "bad_store", "is not a directory");
	assert_refused(f->dir, true, "bad_store", "holds something else");
	assert_refused(f->dir, false, "bad_store", "holds something else");
	assert_refused("/proc", false, "bad_store", "not known to be local");

	assert_int_equal(0, chmod(f->root, 0757));
	assert_refused(f->root, false, "bad_store", "written by everybody");
	assert_int_equal(0, chmod(f->root, 0770));
	store = vm_store_open(f->root, false, NULL);
	assert_non_null(store);
	vm_store_close(store);

	snprintf(deep, sizeof(deep), "%s/images", f->root);
	assert_int_equal(0, chmod(deep, 0777));
	assert_refused(f->root, false, "bad_store", "images can be written");
	assert_int_equal(0, rmdir(deep));
	assert_int_equal(0, symlink("/tmp", deep));
	assert_refused(f->root, false, "bad_store",
	    "images is a symbolic link");
	assert_int_equal(0, unlink(deep));
}

static void
test_owner(void **state)
{
	const struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	vm_store_close(fixture_open(f, NULL));
	assert_int_equal(0, chown(f->root, 1234, 1234));
	assert_refused(f->root, false, "bad_store", "belongs to another user");
}

static void
test_tmpfs(void **state)
{
	struct fixture *f = *state;
	char dir[] = "/dev/shm/vmpipe-test-XXXXXX";

	if (mkdtemp(dir) == NULL)
		skip();
	snprintf(f->root, sizeof(f->root), "%s/store", dir);
	vm_store_close(fixture_open(f, NULL));
	assert_int_equal(0,
	    nftw(dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS));
}

static void
test_few_descriptors(void **state)
{
	const struct fixture *f = *state;
	struct rlimit limit, few;

	vm_store_close(fixture_open(f, NULL));
	assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &limit));
	few = (struct rlimit){ 8, limit.rlim_max };
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &few));
	assert_refused(f->root, false, "no_descriptors", "Too many open files");
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &limit));
}

static void
test_list(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_NAMES char **names = NULL;
	struct vm_error err = { 0 };
	char name[16];

	for (int i = 199; i >= 0; i--) {
		snprintf(name, sizeof(name), "n%03d", i);
		assert_int_equal(0,
		    mkdirat(store->fds[VM_STORE_VMS], name, 0700));
	}
	assert_int_equal(0, mkdirat(store->fds[VM_STORE_VMS], ".x", 0700));
	names = vm_store_list(store, VM_STORE_VMS, NULL);
	assert_non_null(names);
	assert_string_equal("n000", names[0]);
	assert_string_equal("n199", names[199]);
	assert_null(names[200]);
	for (int i = 0; i < 4; i++) {
		const char *const bad[] = { "..", "", "a/b", "none" };

		assert_int_equal(-1,
		    vm_store_open_object(store, VM_STORE_VMS, bad[i], &err));
		assert_string_equal("not_found", err.code);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_make_and_open),
		FIXTURE_TEST(test_environment),
		FIXTURE_TEST(test_bad_roots),
		FIXTURE_TEST(test_owner),
		FIXTURE_TEST(test_tmpfs),
		FIXTURE_TEST(test_few_descriptors),
		FIXTURE_TEST(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
