#include "lib/store/volume.h"

#include <errno.h>

#include "lib/disk/ext4.h"
#include "lib/store/vm.h"
#include "test/store_fixture.h"

#define MIB ((int64_t)1 << 20)

static struct vm_json *
parse(const char *text)
{
	struct vm_json *json = vm_json_parse(text, strlen(text), NULL);

	assert_non_null(json);
	return json;
}

static int
take(struct vm_store *store, const char *vm, const char *wanted,
    struct vm_volume *volume, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = parse(wanted);

	return vm_volume_take(store, vm, json, true, volume, err);
}

/* The disk's size and links as "SIZE LINKS", or its errno. */
static void
assert_disk(struct vm_store *store, const char *id, long long size, int links)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/disk.raw", id);
	assert_int_equal(0,
	    fstatat(store->fds[VM_STORE_VOLUMES], path, &st, 0));
	assert_int_equal(size, st.st_size);
	assert_int_equal(links, st.st_nlink);
	assert_int_equal(0600, st.st_mode & 07777);
}

static void
test_names(void **state)
{
	char id[VM_VOLUME_ID];

	(void)state;
	assert_int_equal(0, vm_volume_make_id("a-b", "c_1", id, NULL));
	assert_string_equal("a-b-c_1", id);
	assert_true(vm_volume_is_of(id, "a-b"));
	/* "a" has no volume "b-c_1": a "-" is never in a volume's name */
	assert_false(vm_volume_is_of(id, "a"));
	assert_false(vm_volume_is_of("a-", "a"));
	assert_false(vm_volume_is_of("ab", "a"));
	assert_int_equal(-1, vm_volume_make_id("a", "b-c", id, NULL));
	assert_int_equal(-1, vm_volume_make_id("a", "../x", id, NULL));
	assert_int_equal(-1, vm_volume_make_id("a", "", id, NULL));
	assert_int_equal(-1,
	    vm_volume_make_id("a", "a2345678901234567", id, NULL));
	assert_int_equal(-1, vm_volume_make_id("../a", "b", id, NULL));
}

static void
test_make_and_take_again(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	struct vm_volume volume = { .facts = NULL }, second = { .facts = NULL };
	struct vm_error err = { 0 };

	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}", &volume,
		&err));
	assert_true(volume.is_new);
	assert_disk(store, "a-d", 8 * MIB, 1);
	/* while it is held, nobody else has it */
	assert_int_equal(1,
	    vm_lock_is_held(store->fds[VM_STORE_VOLUMES], "a-d/lock", NULL));
	vm_volume_close(&volume);
	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"9M\"}", &second,
		&err));
	assert_false(second.is_new);
	/* not touched by being taken */
	assert_disk(store, "a-d", 8 * MIB, 1);
	vm_volume_close(&second);
	assert_int_equal(1, fixture_count(store, VM_STORE_VOLUMES));
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
}

static void
test_grow_never_shrink(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_JSON struct vm_json *larger =
	    parse("{\"name\":\"d\",\"size\":\"16M\"}");
	VM_CLEAN_JSON struct vm_json *facts = NULL;
	struct vm_volume volume = { .facts = NULL };
	struct vm_error err = { 0 };

	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}", &volume,
		&err));
	assert_int_equal(0, vm_volume_fit(store, &volume, larger, &err));
	vm_volume_close(&volume);
	assert_disk(store, "a-d", 16 * MIB, 1);
	facts = vm_volume_load(store, "a-d", &err);
	assert_non_null(facts);
	assert_int_equal(16 * MIB, vm_json_int(facts, "size", 0));
	assert_int_equal(-1,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}", &volume,
		&err));
	assert_int_equal(VM_E_USAGE, err.kind);
	assert_string_equal("bad_size", err.code);
	assert_string_equal("volume a-d: smaller than the 16M that it has: "
			    "volumes only grow",
	    err.message);
	assert_disk(store, "a-d", 16 * MIB, 1);
	/* and the lock is free */
	assert_int_equal(0,
	    vm_lock_is_held(store->fds[VM_STORE_VOLUMES], "a-d/lock", NULL));
}

/* Whatever volume.json says, the disk is as large as it is. */
static void
test_interrupted_growth(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_JSON struct vm_json *facts = NULL;
	struct vm_volume volume = { .facts = NULL };
	struct vm_error err = { 0 };
	int fd;

	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}", &volume,
		&err));
	vm_volume_close(&volume);
	fd = openat(store->fds[VM_STORE_VOLUMES], "a-d/disk.raw",
	    O_RDWR | O_CLOEXEC);
	assert_int_equal(0, ftruncate(fd, 32 * MIB));
	close(fd);
	facts = vm_volume_load(store, "a-d", &err);
	assert_int_equal(32 * MIB, vm_json_int(facts, "size", 0));
}

static void
test_discard(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	struct vm_volume volume = { .facts = NULL };
	struct vm_error err = { 0 };

	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}", &volume,
		&err));
	vm_volume_discard(store, &volume);
	assert_null(volume.facts);
	assert_int_equal(0, fixture_count(store, VM_STORE_VOLUMES));
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
	/* one that was there stays */
	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}", &volume,
		&err));
	vm_volume_close(&volume);
	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}", &volume,
		&err));
	vm_volume_discard(store, &volume);
	vm_volume_close(&volume);
	assert_int_equal(1, fixture_count(store, VM_STORE_VOLUMES));
}

/* Each durable step refused: an error, and nothing is left. */
static void
test_make_refused(void **state)
{
	static const char *const steps[] = { "open:2", "open:3", "write:1",
		"fsync:1", "fsync:2", "fsync_dir:1", "rename:1", "mkdir:1" };

	{
		VM_CLEAN_STORE struct vm_store *store = fixture_open(*state,
		    NULL);
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		char fault[64];
		struct vm_volume volume = { .facts = NULL };
		struct vm_error err = { 0 };

		snprintf(fault, sizeof(fault), "%s:ENOSPC", steps[i]);
		VM_CLEAN_STORE struct vm_store *store = fixture_open(*state,
		    fault);
		assert_int_equal(-1,
		    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}",
			&volume, &err));
		assert_int_equal(VM_E_IO, err.kind);
		assert_null(volume.facts);
		assert_int_equal(0, fixture_count(store, VM_STORE_VOLUMES));
		assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
	}
}

static void
test_damaged(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	static const char *const bad[] = { "{", "{\"vm\":\"b\",\"name\":\"d\"}",
		"{\"vm\":\"a\",\"name\":\"../d\"}", "[]" };
	struct vm_volume volume = { .facts = NULL };
	struct vm_error err = { 0 };
	VM_CLEAN_FD int fd = -1;

	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}", &volume,
		&err));
	vm_volume_close(&volume);
	fd = vm_store_open_object(store, VM_STORE_VOLUMES, "a-d", &err);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(0,
		    vm_publish_file(store, fd, "volume.json", 0600, bad[i],
			strlen(bad[i]), true, &err));
		assert_int_equal(-1,
		    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}",
			&volume, &err));
		assert_string_equal("volume_damaged", err.code);
		assert_int_equal(0,
		    vm_lock_is_held(store->fds[VM_STORE_VOLUMES], "a-d/lock",
			NULL));
	}
	assert_disk(store, "a-d", 8 * MIB, 1);
	assert_null(vm_volume_load(store, "a-e", &err));
	assert_string_equal("volume_not_found", err.code);
}

/* --- ext4.h, and what is mounted ------------------------------------------*/

static void
test_file_system(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_JSON struct vm_json *wanted =
	    parse("{\"name\":\"d\",\"size\":\"16M\",\"mount\":\"/srv\"}");
	VM_CLEAN_JSON struct vm_json *entry = NULL;
	struct vm_volume volume = { .facts = NULL };
	struct vm_error err = { 0 };
	char uuid[VM_EXT4_UUID];
	VM_CLEAN_FD int fd = -1;

	if (access("/sbin/mke2fs", X_OK) == -1)
		skip();
	assert_int_equal(0,
	    vm_volume_take(store, "a", wanted, true, &volume, &err));
	fd = openat(volume.dir_fd, "disk.raw", O_RDWR | O_CLOEXEC);
	assert_int_equal(0, vm_ext4_read_uuid(fd, uuid, &err));
	entry = vm_volume_describe(&volume, wanted, &err);
	assert_string_equal(uuid, vm_json_string(entry, "uuid", ""));
	assert_string_equal("/srv", vm_json_string(entry, "mount", ""));
	assert_string_equal("volume-d.raw", vm_json_string(entry, "path", ""));
	/* never on one that holds anything */
	assert_int_equal(-1, vm_ext4_make(fd, "x", uuid, &err));
	assert_string_equal("not_empty", err.code);
	vm_volume_close(&volume);
	/* one without is not formatted later */
	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"e\",\"size\":\"16M\"}", &volume,
		&err));
	vm_volume_close(&volume);
	assert_int_equal(-1,
	    take(store, "a",
		"{\"name\":\"e\",\"size\":\"16M\",\"mount\":\"/x\"}", &volume,
		&err));
	assert_string_equal("no_file_system", err.code);
}

/* --- volumes of a VM -----------------------------------------------------*/

#define RECORD                                                                 \
	"{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"a\",\"disks\":["             \
	"{\"path\":\"disk.qcow2\"},{\"volume\":\"a-d\",\"name\":\"d\","        \
	"\"path\":\"volume-d.raw\",\"size\":8388608}]}"

/* VM a, with its volume a-d. */
static struct vm_json *
make_vm(struct vm_store *store)
{
	struct vm_publish publish = { 0 };
	struct vm_volume volume = { .facts = NULL };
	struct vm_error err = { 0 };

	assert_int_equal(0, vm_publish_begin(store, &publish, &err));
	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"8M\"}", &volume,
		&err));
	assert_int_equal(0, vm_volume_link(&volume, &publish, &err));
	assert_int_equal(0,
	    vm_publish_write(&publish, "vm.json", 0600, RECORD, strlen(RECORD),
		&err));
	assert_int_equal(0,
	    vm_publish_commit(&publish, VM_STORE_VMS, "a", VM_PUBLISH_NEW,
		&err));
	vm_volume_close(&volume);
	return parse(RECORD);
}

static int
check(struct vm_store *store, const struct vm_json *record,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_store_open_object(store, VM_STORE_VMS, "a",
	    NULL);

	vm_error_clear(err);
	return vm_volume_check_all(store, record, fd, err);
}

static void
test_mend(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_JSON struct vm_json *record = make_vm(store);
	int vms = store->fds[VM_STORE_VMS],
	    volumes = store->fds[VM_STORE_VOLUMES];
	struct vm_error err = { 0 };

	assert_int_equal(0, check(store, record, &err));
	/* the VM's link is gone */
	assert_int_equal(0, unlinkat(vms, "a/volume-d.raw", 0));
	assert_int_equal(-1, check(store, record, &err));
	assert_string_equal("volume_missing", err.code);
	assert_string_equal("vmdoctor --repair a", err.hint);
	assert_int_equal(0, vm_volume_mend_all(store, record, &err));
	assert_int_equal(0, check(store, record, &err));
	/* the volume is gone, its disk is not */
	assert_int_equal(0, unlinkat(volumes, "a-d/disk.raw", 0));
	assert_int_equal(0, unlinkat(volumes, "a-d/volume.json", 0));
	assert_int_equal(0, unlinkat(volumes, "a-d/lock", 0));
	assert_int_equal(0, unlinkat(volumes, "a-d", AT_REMOVEDIR));
	assert_int_equal(-1, check(store, record, &err));
	assert_int_equal(0, vm_volume_mend_all(store, record, &err));
	assert_int_equal(0, check(store, record, &err));
	assert_disk(store, "a-d", 8 * MIB, 2);
	/* another file in its place is not taken for it */
	assert_int_equal(0, unlinkat(vms, "a/volume-d.raw", 0));
	close(openat(vms, "a/volume-d.raw", O_CREAT | O_WRONLY | O_CLOEXEC,
	    0600));
	assert_int_equal(-1, check(store, record, &err));
	assert_string_equal("volume_changed", err.code);
	assert_int_equal(0, vm_volume_mend_all(store, record, &err));
	assert_int_equal(-1, check(store, record, &err));
}

static void
test_trash(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_JSON struct vm_json *record = make_vm(store);
	VM_CLEAN_JSON struct vm_json *ids = vm_json_new_array();
	struct vm_error err = { 0 };

	/* not while its VM is there */
	assert_int_equal(-1, vm_volume_trash_all(store, "a", ids, &err));
	assert_int_equal(VM_E_TRY_AGAIN, err.kind);
	assert_int_equal(0,
	    vm_publish_trash(store, VM_STORE_VMS, "a", NULL, &err));
	assert_int_equal(0, vm_volume_trash_all(store, "a", ids, &err));
	assert_string_equal("a-d", vm_json_text(vm_json_at(ids, 0)));
	assert_int_equal(0, fixture_count(store, VM_STORE_VOLUMES));
	assert_true(vm_volume_is_trash_of("a-d.volume.1", "a"));
	assert_false(vm_volume_is_trash_of("a-d.1", "a"));
	assert_false(vm_volume_is_trash_of("x-a-d.volume.1", "a"));
	/* another a-d comes and goes; the VM gets its own */
	assert_int_equal(0, fixture_count(store, VM_STORE_VMS));
	struct vm_volume other = { .facts = NULL };
	assert_int_equal(0,
	    take(store, "a", "{\"name\":\"d\",\"size\":\"64M\"}", &other,
		&err));
	vm_volume_close(&other);
	assert_int_equal(0, vm_volume_trash_all(store, "a", ids, &err));
	assert_int_equal(0,
	    vm_publish_untrash(store, "a.1", VM_STORE_VMS, "a", &err));
	assert_int_equal(0, vm_volume_mend_all(store, record, &err));
	assert_disk(store, "a-d", 8 * MIB, 2);
	assert_int_equal(1, fixture_count(store, VM_STORE_TRASH));
}

static void
test_grow_all(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_JSON struct vm_json *record = make_vm(store);
	struct vm_error err = { 0 };
	bool changed;

	assert_int_equal(0,
	    vm_volume_grow_all(store, record, false, &changed, &err));
	assert_false(changed);
	assert_int_equal(0,
	    vm_json_set(record, "spec",
		parse("{\"volumes\":[{\"name\":\"d\",\"size\":\"24M\"},"
		      "{\"name\":\"new\",\"size\":\"24M\"}]}"),
		&err));
	assert_int_equal(0,
	    vm_volume_grow_all(store, record, false, &changed, &err));
	assert_true(changed);
	assert_int_equal(24 * MIB, vm_json_int(record, "disks.1.size", 0));
	assert_disk(store, "a-d", 24 * MIB, 2);
	assert_int_equal(1, fixture_count(store, VM_STORE_VOLUMES));

	/* gone back to a role that wants less: it starts, with what there is */
	assert_int_equal(0,
	    vm_json_set(record, "spec",
		parse("{\"volumes\":[{\"name\":\"d\",\"size\":\"8M\"}]}"),
		&err));
	assert_int_equal(-1,
	    vm_volume_grow_all(store, record, false, &changed, &err));
	assert_string_equal("bad_size", err.code);
	assert_int_equal(0,
	    vm_json_set_int(record, "disks.1.size", 8 * MIB, &err));
	assert_int_equal(0,
	    vm_volume_grow_all(store, record, true, &changed, &err));
	assert_true(changed);
	assert_int_equal(24 * MIB, vm_json_int(record, "disks.1.size", 0));
	assert_disk(store, "a-d", 24 * MIB, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		FIXTURE_TEST(test_make_and_take_again),
		FIXTURE_TEST(test_grow_never_shrink),
		FIXTURE_TEST(test_interrupted_growth),
		FIXTURE_TEST(test_discard),
		FIXTURE_TEST(test_make_refused),
		FIXTURE_TEST(test_damaged),
		FIXTURE_TEST(test_file_system),
		FIXTURE_TEST(test_mend),
		FIXTURE_TEST(test_trash),
		FIXTURE_TEST(test_grow_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
