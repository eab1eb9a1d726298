/*
 * Files outside of the store: whole under their name, or not there.
 */
#include "lib/store/publish.h"

#include <dirent.h>

#include "lib/base/fd.h"
#include "test/store_fixture.h"

/* What is in the directory, "." and ".." apart. */
static int
count_names(const struct fixture *f)
{
	char path[128];
	int n = 0;

	snprintf(path, sizeof(path), "%s/out", f->dir);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		n += strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return n;
}

static int
open_out(const struct fixture *f)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/out", f->dir);
	mkdir(path, 0700);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Write text as out/name. */
static int
put(const struct fixture *f, const char *fault, const char *text, bool replace,
    struct vm_error *err)
{
	VM_CLEAN_STORE struct vm_store *made = fixture_open(f, NULL);
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, fault);
	VM_CLEAN_FD int dir_fd = open_out(f);
	VM_CLEAN_OUTSIDE struct vm_outside outside = { 0 };

	if (vm_publish_outside_begin(store, dir_fd, &outside, err) == -1 ||
	    vm_fd_write(outside.fd, text, strlen(text), "it", err) == -1)
		return -1;
	return vm_publish_outside_commit(&outside, "name", 0640, replace, err);
}

static void
assert_text(const struct fixture *f, const char *text)
{
	VM_CLEAN_FD int dir_fd = open_out(f);
	VM_CLEAN_BUF struct vm_buf data = { 0 };
	struct stat st;

	assert_int_equal(0, vm_fd_read_file(dir_fd, "name", 64, &data, NULL));
	assert_string_equal(text, data.data);
	assert_int_equal(0, fstatat(dir_fd, "name", &st, 0));
	assert_int_equal(0640, st.st_mode & 07777);
	assert_int_equal(1, count_names(f));
}

/* "": with nameless files; else the fault that takes them away. */
static void
check_all(const struct fixture *f, const char *fault)
{
	struct vm_error err = { 0 };

	assert_int_equal(0, put(f, fault, "one", false, &err));
	assert_text(f, "one");
	assert_int_equal(-1, put(f, fault, "two", false, &err));
	assert_int_equal(VM_E_EXISTS, err.kind);
	assert_string_equal("exists", err.code);
	assert_text(f, "one");
	assert_int_equal(0, put(f, fault, "three", true, &err));
	assert_text(f, "three");
}

static void
test_nameless(void **state)
{
	check_all(*state, NULL);
}

/* VFAT */
static void
test_named(void **state)
{
	check_all(*state, "open:1:EOPNOTSUPP");
}

/* NFS: no RENAME_NOREPLACE either. */
static void
test_named_by_link(void **state)
{
	const struct fixture *f = *state;
	struct vm_error err = { 0 };
	const char *fault = "open:1:EOPNOTSUPP,rename:1:EINVAL";

	assert_int_equal(0, put(f, fault, "one", false, &err));
	assert_text(f, "one");
	assert_int_equal(-1, put(f, fault, "two", false, &err));
	assert_string_equal("exists", err.code);
	assert_text(f, "one");
}

/* Each step fails: what was there stays, nothing else is left. */
static void
test_failures(void **state)
{
	static const char *const faults[] = { "fsync:1:ENOSPC", "link:1:EIO",
		"rename:1:EIO", "open:1:EACCES",
		"open:1:EOPNOTSUPP,open:2:ENOSPC",
		"open:1:EOPNOTSUPP,fsync:1:EIO",
		"open:1:EOPNOTSUPP,rename:1:EIO" };
	const struct fixture *f = *state;

	assert_int_equal(0, put(f, NULL, "old", false, NULL));
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct vm_error err = { 0 };

		assert_int_equal(-1, put(f, faults[i], "new", true, &err));
		assert_true(vm_error_is_set(&err));
		assert_text(f, "old");
	}
}

/* A new name that will not last is taken away again. */
static void
test_not_settled(void **state)
{
	const struct fixture *f = *state;
	struct vm_error err = { 0 };

	assert_int_equal(-1, put(f, "fsync_dir:1+:EIO", "new", false, &err));
	assert_int_equal(0, count_names(f));
}

int
main(void)
{
#define CASE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_nameless),
		CASE(test_named),
		CASE(test_named_by_link),
		CASE(test_failures),
		CASE(test_not_settled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
