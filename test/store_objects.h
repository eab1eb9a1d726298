/*
 * store_objects.h - objects like a clone, made, and looked at, by the tests of
 * publish.h.
 */
#ifndef TEST_STORE_OBJECTS_H
#define TEST_STORE_OBJECTS_H

#include "lib/store/publish.h"
#include "test/store_fixture.h"

#define MANY 40

__attribute__((unused)) static const char *const points[] = { "open", "write",
	"fsync", "syncfs", "link", "rename", "mkdir", "fsync_dir" };

/* A master to be linked. */
static inline void
put_master(struct vm_store *store)
{
	assert_int_equal(0,
	    vm_publish_file(store, store->fds[VM_STORE_FILES], "base", 0444,
		"master", 6, true, NULL));
}

/* What a clone is made of. */
static inline int
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

static inline int
make(struct vm_store *store, const char *name, const char *text,
    enum vm_publish_mode mode, struct vm_error *err)
{
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };

	if (build(store, &publish, false, text, err) == -1)
		return -1;
	return vm_publish_commit(&publish, VM_STORE_VMS, name, mode, err);
}

static inline int
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
static inline void
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

#endif
