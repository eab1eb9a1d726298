#include "lib/store/file.h"

#include "test/store_fixture.h"

/* sha256 of "hello\n" */
#define HELLO "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

static void
put(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(0, fclose(file));
}

static void
test_import_and_open(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	char path[128], hex[VM_HASH_SHA256_HEX], text[16] = "";
	struct vm_error err = { 0 };
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/in", f->dir);
	put(path, "hello\n");
	assert_int_equal(0, vm_file_import(store, AT_FDCWD, path, hex, NULL));
	assert_string_equal(HELLO, hex);
	assert_int_equal(0, vm_file_import(store, AT_FDCWD, path, hex, NULL));
	assert_int_equal(0, fstatat(store->fds[VM_STORE_FILES], HELLO, &st, 0));
	assert_int_equal(0400, st.st_mode & 07777);
	fd = vm_file_open(store, HELLO, NULL);
	assert_true(fd >= 0);
	assert_int_equal(6, read(fd, text, sizeof(text)));
	assert_string_equal("hello\n", text);
	close(fd);
	for (int i = 0; i < 3; i++) {
		const char *const bad[] = { "", "../x", HELLO "0" };

		assert_int_equal(-1, vm_file_open(store, bad[i], &err));
		assert_string_equal("file_not_found", err.code);
	}
}

static void
test_bad_sources(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	char path[128], hex[VM_HASH_SHA256_HEX] = "";
	struct vm_error err = { 0 };

	snprintf(path, sizeof(path), "%s/in", f->dir);
	assert_int_equal(-1, vm_file_import(store, AT_FDCWD, path, hex, &err));
	assert_int_equal(VM_E_NO_INPUT, err.kind);
	assert_int_equal(0, symlink("/etc/passwd", path));
	assert_int_equal(-1, vm_file_import(store, AT_FDCWD, path, hex, &err));
	assert_int_equal(VM_E_DENIED, err.kind);
	assert_int_equal(0, unlink(path));
	assert_int_equal(0, mkfifo(path, 0600));
	assert_int_equal(-1, vm_file_import(store, AT_FDCWD, path, hex, &err));
	assert_int_equal(VM_E_DENIED, err.kind);
	assert_string_equal("", hex);
	assert_int_equal(0, fixture_count(store, VM_STORE_FILES));
}

static void
test_damaged(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	char path[128], copy[192], hex[VM_HASH_SHA256_HEX];
	struct vm_error err = { 0 };
	int fd;

	snprintf(path, sizeof(path), "%s/in", f->dir);
	put(path, "hello\n");
	assert_int_equal(0, vm_file_import(store, AT_FDCWD, path, hex, NULL));
	snprintf(copy, sizeof(copy), "%s/files/%s", f->root, HELLO);
	assert_int_equal(0, unlink(copy));
	put(copy, "hellO\n");
	assert_int_equal(-1, vm_file_open(store, HELLO, &err));
	assert_string_equal("file_damaged", err.code);
	assert_int_equal(0, vm_file_import(store, AT_FDCWD, path, hex, NULL));
	fd = vm_file_open(store, HELLO, NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(1, fixture_count(store, VM_STORE_QUARANTINE));
}

static void
test_no_space(void **state)
{
	static const char *const points[] = { "open", "write", "fsync", "link",
		"fsync_dir" };
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *clean = fixture_open(f, NULL);
	char path[128], hex[VM_HASH_SHA256_HEX], fault[64];
	struct vm_error err = { 0 };

	snprintf(path, sizeof(path), "%s/in", f->dir);
	put(path, "hello\n");
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		VM_CLEAN_STORE struct vm_store *store = NULL;

		snprintf(fault, sizeof(fault), "%s:1+:ENOSPC", points[i]);
		store = fixture_open(f, fault);
		assert_int_equal(-1,
		    vm_file_import(store, AT_FDCWD, path, hex, &err));
		assert_string_equal("no_space", err.code);
		assert_int_equal(0, fixture_count(clean, VM_STORE_FILES));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_import_and_open),
		FIXTURE_TEST(test_bad_sources),
		FIXTURE_TEST(test_damaged),
		FIXTURE_TEST(test_no_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
