/*
 * store_fixture.h - an empty store of its own for each unit test.
 *
 *	cmocka_unit_test_setup_teardown(test_x, fixture_setup, fixture_teardown)
 *
 * gives the test a struct fixture in *state: a fresh directory and, in it, the
 * place for a store: in memory where there is /dev/shm, as these tests sync all
 * the time and look at the calls, not at a disk.  Faults are asked for through the environment and read
 * when a store is opened, so a test opens its stores itself.
 */
#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H

#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/store.h"
#include "test/unit.h"

struct fixture {
	char dir[64];
	char root[80];
	char log[80]; /* VMPIPE_FAULT_LOG of fixture_log() */
};

static inline int
fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	unsetenv("VMPIPE_FAULT");
	unsetenv("VMPIPE_FAULT_LOG");
	snprintf(f->dir, sizeof(f->dir), "/dev/shm/vmpipe-test-XXXXXX");
	if (mkdtemp(f->dir) == NULL) {
		snprintf(f->dir, sizeof(f->dir), "/tmp/vmpipe-test-XXXXXX");
		if (mkdtemp(f->dir) == NULL)
			return -1;
	}
	snprintf(f->root, sizeof(f->root), "%s/store", f->dir);
	snprintf(f->log, sizeof(f->log), "%s/log", f->dir);
	*state = f;
	return 0;
}

static inline int
fixture_remove(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int
fixture_teardown(void **state)
{
	struct fixture *f = *state;

	unsetenv("VMPIPE_FAULT");
	unsetenv("VMPIPE_FAULT_LOG");
	nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* Open the store with this fault ("" or NULL: none). */
static inline struct vm_store *
fixture_open(const struct fixture *f, const char *fault)
{
	struct vm_error err = { 0 };
	struct vm_store *store;

	if (fault != NULL && fault[0] != '\0')
		setenv("VMPIPE_FAULT", fault, 1);
	else
		unsetenv("VMPIPE_FAULT");
	store = vm_store_open(f->root, true, &err);
	if (store == NULL)
		print_error("%s\n", err.message);
	assert_non_null(store);
	return store;
}

/* From now on stores that are opened log their calls. */
static inline void
fixture_log(const struct fixture *f)
{
	unlink(f->log);
	setenv("VMPIPE_FAULT_LOG", f->log, 1);
}

/* The log begins with what is expected and continues, if at all, so. */
static inline void
fixture_assert_log_then(const struct fixture *f, const char *expected,
    const char *rest)
{
	char text[8192] = "";
	FILE *file = fopen(f->log, "re");
	size_t len = strlen(expected);

	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) < sizeof(text) - 1);
	fclose(file);
	if (strncmp(text, expected, len) != 0)
		assert_string_equal(expected, text);
	if (rest[0] == '\0')
		assert_string_equal("", text + len);
	assert_memory_equal(rest, text + len, strlen(rest));
}

static inline void
fixture_assert_log(const struct fixture *f, const char *expected)
{
	fixture_assert_log_then(f, expected, "");
}

/* How many names a directory of the store holds. */
static inline size_t
fixture_count(struct vm_store *store, enum vm_store_dir dir)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, dir, NULL);
	size_t n = 0;

	assert_non_null(names);
	while (names[n] != NULL)
		n++;
	return n;
}

#define FIXTURE_TEST(f)                                                        \
	cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

#endif
