#include "lib/store/ephemeral.h"

#include "lib/store/publish.h"
#include "lib/store/vm.h"
#include "test/store_fixture.h"

/* vms/<name> with this vm.json and a lock. */
static void
put_vm(struct vm_store *store, const char *name, const char *text)
{
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };

	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, "lock", 0600, "", 0, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, "disk.raw", 0600, "x", 1, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, "vm.json", 0600, text, strlen(text),
		NULL));
	assert_int_equal(0,
	    vm_publish_commit(&publish, VM_STORE_VMS, name, VM_PUBLISH_NEW,
		NULL));
}

#define HEAD "{\"vmpipe\":1,\"kind\":\"vm\",\"state\":\"running\",\"name\":"
#define OVER(name) HEAD "\"" name "\",\"ephemeral\":true,\"run\":{}}\n"

static void
put_all(struct vm_store *store)
{
	put_vm(store, "over", OVER("over"));
	put_vm(store, "new", HEAD "\"new\",\"ephemeral\":true}\n");
	put_vm(store, "kept", HEAD "\"kept\",\"run\":{}}\n");
	put_vm(store, "not", HEAD "\"not\",\"ephemeral\":false,\"run\":{}}\n");
	put_vm(store, "broken", "{\"ephemeral\":true,\"run\":{}");
	put_vm(store, "other", OVER("over"));
}

static bool
is_there(const struct vm_store *store, const char *name)
{
	return faccessat(store->fds[VM_STORE_VMS], name, F_OK, 0) == 0;
}

static void
test_only_what_is_over_goes(void **state)
{
	static const char *const stay[] = { "new", "kept", "not", "broken",
		"other" };
	struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_RECORDS struct vm_records records = { 0 };

	put_all(store);
	assert_int_equal(1, vm_ephemeral_is_over(store, "over", NULL));
	assert_int_equal(0, vm_ephemeral_is_over(store, "none", NULL));
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(0, vm_ephemeral_is_over(store, stay[i], NULL));
		assert_int_equal(0, vm_ephemeral_reap(store, stay[i], NULL));
	}
	assert_int_equal(0, vm_ephemeral_sweep(store, true, &records, NULL));
	assert_int_equal(1, records.count);
	assert_true(is_there(store, "over"));
	assert_int_equal(0, vm_ephemeral_sweep(store, false, &records, NULL));
	assert_int_equal(2, records.count);
	assert_string_equal("removed",
	    vm_json_string(records.items[1], "state", ""));
	assert_true(vm_json_int(records.items[1], "bytes", 0) > 0);
	assert_false(is_there(store, "over"));
	for (size_t i = 0; i < 5; i++)
		assert_true(is_there(store, stay[i]));
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
	assert_int_equal(0, fixture_count(store, VM_STORE_TRASH));
	vm_store_close(store);
}

/* While its lock is held it runs; the holder itself may end it. */
static void
test_the_lock_says_that_it_runs(void **state)
{
	struct vm_store *store = fixture_open(*state, NULL);
	int lock;

	put_vm(store, "over", OVER("over"));
	lock = vm_vm_lock(store, "over", VM_LOCK_NO_WAIT, NULL);
	assert_true(lock >= 0);
	assert_int_equal(0, vm_ephemeral_is_over(store, "over", NULL));
	assert_int_equal(0, vm_ephemeral_reap(store, "over", NULL));
	assert_true(is_there(store, "over"));
	assert_int_equal(1, vm_ephemeral_end(store, "over", NULL));
	assert_false(is_there(store, "over"));
	close(lock);
	vm_store_close(store);
}

/* What cannot be made to last is taken back. */
static void
test_refused(void **state)
{
	struct vm_store *store = fixture_open(*state, NULL);
	struct vm_error err = { 0 };

	put_vm(store, "over", OVER("over"));
	vm_store_close(store);
	store = fixture_open(*state, "fsync_dir:1+:EIO");
	assert_int_equal(-1, vm_ephemeral_reap(store, "over", &err));
	assert_int_equal(VM_E_IO, err.kind);
	assert_true(is_there(store, "over"));
	vm_store_close(store);
	store = fixture_open(*state, NULL);
	assert_int_equal(1, vm_ephemeral_reap(store, "over", &err));
	vm_store_close(store);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_what_is_over_goes),
		TEST(test_the_lock_says_that_it_runs),
		TEST(test_refused),
	};

	return cmocka_run_group_tests_name("ephemeral", tests, NULL, NULL);
}
