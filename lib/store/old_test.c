/* Which old disk is a VM's, and how the two change places. */
#include "lib/store/old.h"

#include <sys/file.h>

#include "lib/record/record.h"
#include "lib/store/publish.h"
#include "lib/store/vm.h"
#include "test/store_fixture.h"

#define UUID "11111111-2222-4333-8444-555555555555"

static struct vm_json *
new_vm(const char *uuid)
{
	struct vm_json *record = vm_record_new("vm", NULL);

	assert_non_null(record);
	assert_int_equal(0, vm_json_set_string(record, "name", "vm", NULL));
	assert_int_equal(0,
	    vm_json_set_string(record, "state", "stopped", NULL));
	assert_int_equal(0,
	    vm_json_set_string(record, "identity.uuid", uuid, NULL));
	return record;
}

/* dir/name holds a VM "vm" of that UUID; text is its "spec.image.source". */
static void
put(struct vm_store *store, enum vm_store_dir dir, const char *name,
    const char *uuid, const char *text, bool unfinished)
{
	VM_CLEAN_JSON struct vm_json *record = new_vm(uuid);
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	VM_CLEAN_BUF struct vm_buf json = { 0 };

	assert_int_equal(0,
	    vm_json_set_string(record, "spec.image.source", text, NULL));
	if (unfinished)
		assert_int_equal(0,
		    vm_json_set_string(record, "upgrade.from", "x", NULL));
	assert_int_equal(0, vm_vm_format(record, &json, NULL));
	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, "lock", 0600, "", 0, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, "vm.json", 0600, json.data, json.len,
		NULL));
	assert_int_equal(0,
	    vm_publish_commit(&publish, dir, name, VM_PUBLISH_NEW, NULL));
}

static void
assert_found(struct vm_store *store, const char *wish, const char *expected)
{
	VM_CLEAN_JSON struct vm_json *vm = new_vm(UUID);
	struct vm_error err = { 0 };
	VM_CLEAN_FREE char *found = vm_old_find(store, vm, wish, &err);

	if (expected != NULL)
		assert_string_equal(expected, found);
	else
		assert_null(found);
	if (expected == NULL)
		assert_string_equal("old_not_found", err.code);
}

static void
test_find(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);

	assert_found(store, NULL, NULL);
	put(store, VM_STORE_OLD, "vm.2", UUID, "b", false);
	put(store, VM_STORE_OLD, "vm.10", UUID, "c", false);
	put(store, VM_STORE_OLD, "vm.1", UUID, "a", false);
	assert_found(store, NULL, "vm.10");
	/* another VM's of that name, a replacement that was never complete */
	put(store, VM_STORE_OLD, "vm.11",
	    "99999999-2222-4333-8444-555555555555", "x", false);
	put(store, VM_STORE_OLD, "vm.12", UUID, "x", true);
	put(store, VM_STORE_OLD, "vm-2.13", UUID, "x", false);
	assert_int_equal(0, mkdirat(store->fds[VM_STORE_OLD], "vm.14", 0700));
	assert_found(store, NULL, "vm.10");
	assert_found(store, "vm.1", "vm.1");
	assert_found(store, "vm.12", NULL);
	assert_found(store, "vm.3", NULL);
	assert_found(store, "../vms/vm", NULL);
}

static void
test_sweep(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_JSON struct vm_json *vm = new_vm(UUID);

	put(store, VM_STORE_OLD, "vm.1", UUID, "a", false);
	put(store, VM_STORE_OLD, "vm.2", UUID, "b", true);
	put(store, VM_STORE_OLD, "vm.3", "99999999-2222-4333-8444-555555555555",
	    "x", true);
	assert_int_equal(0, vm_old_sweep(store, vm, NULL));
	assert_int_equal(2, fixture_count(store, VM_STORE_OLD));
	assert_int_equal(-1,
	    faccessat(store->fds[VM_STORE_OLD], "vm.2", F_OK, 0));
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
}

static void
test_exchange(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_JSON struct vm_json *now = NULL, *old = NULL;
	struct vm_error err = { 0 };
	int fd;

	put(store, VM_STORE_VMS, "vm", UUID, "new", false);
	put(store, VM_STORE_OLD, "vm.1", UUID, "old", false);
	/* as vmgc does before it takes it */
	fd = openat(store->fds[VM_STORE_OLD], "vm.1", O_RDONLY | O_CLOEXEC);
	assert_int_equal(0, flock(fd, LOCK_EX));
	assert_int_equal(-1, vm_old_exchange(store, "vm", "vm.1", &err));
	assert_int_equal(VM_E_TRY_AGAIN, err.kind);
	close(fd);
	assert_int_equal(0, vm_old_exchange(store, "vm", "vm.1", NULL));
	now = vm_vm_load(store, "vm", false, NULL);
	old = vm_old_load(store, "vm.1", false, NULL);
	assert_string_equal("old",
	    vm_json_string(now, "spec.image.source", ""));
	assert_string_equal("new",
	    vm_json_string(old, "spec.image.source", ""));
	assert_int_equal(-1, vm_old_exchange(store, "vm", "vm.7", &err));
	assert_int_equal(VM_E_NO_INPUT, err.kind);
}

static void
test_exchange_does_not_last(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_STORE struct vm_store *faulty = NULL;
	VM_CLEAN_JSON struct vm_json *now = NULL;

	put(store, VM_STORE_VMS, "vm", UUID, "new", false);
	put(store, VM_STORE_OLD, "vm.1", UUID, "old", false);
	faulty = fixture_open(*state, "fsync_dir:1+:EIO");
	assert_int_equal(-1, vm_old_exchange(faulty, "vm", "vm.1", NULL));
	now = vm_vm_load(store, "vm", false, NULL);
	assert_string_equal("new",
	    vm_json_string(now, "spec.image.source", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_find),
		FIXTURE_TEST(test_sweep),
		FIXTURE_TEST(test_exchange),
		FIXTURE_TEST(test_exchange_does_not_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
