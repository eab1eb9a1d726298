/*
 * The order of calls is the proof of durability: a journal hides a missing
 * fsync from every test but one that looks at the calls.
 */
#include "test/store_objects.h"

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

/* What is to take the place of the VM "a", beside it. */
static int
make_old(struct vm_store *store, const char *text)
{
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };

	if (build(store, &publish, false, text, NULL) == -1)
		return -1;
	return vm_publish_commit(&publish, VM_STORE_OLD, "a.1", VM_PUBLISH_NEW,
	    NULL);
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
	assert_int_equal(0, make_old(store, "2"));
	fixture_assert_log(f,
	    BUILT
	    "fsync_dir *\nrename old/a.1\nfsync_dir old\nfsync_dir tmp\n");
	fixture_log(f);
	assert_int_equal(0,
	    vm_publish_exchange(store, VM_STORE_VMS, "a", VM_STORE_OLD, "a.1",
		NULL));
	fixture_assert_log(f, "rename old/a.1\nfsync_dir old\nfsync_dir vms\n");
	assert_object(store, VM_STORE_VMS, "a", "2");
	assert_object(store, VM_STORE_OLD, "a.1", "1");
	fixture_log(f);
	assert_int_equal(0,
	    vm_publish_trash(store, VM_STORE_VMS, "a", NULL, NULL));
	fixture_assert_log(f,
	    "rename trash/a.1\nfsync_dir trash\nfsync_dir vms\n");
	fixture_log(f);
	assert_int_equal(0,
	    vm_publish_untrash(store, "a.1", VM_STORE_VMS, "a", NULL));
	fixture_assert_log(f, "rename vms/a\nfsync_dir vms\nfsync_dir trash\n");
	assert_object(store, VM_STORE_VMS, "a", "2");
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
	snprintf(f->root, sizeof(f->root), "%s/store/deep", f->dir);
	vm_store_close(fixture_open(f, NULL));
	snprintf(expected, sizeof(expected),
	    "mkdir deep\nmkdir store\nfsync_dir %s\nmkdir deep\n"
	    "fsync_dir store\nmkdir deep/images\nmkdir deep/layers\n"
	    "mkdir deep/vms\nmkdir deep/volumes\nmkdir deep/files\n"
	    "mkdir deep/incoming\nmkdir deep/tmp\nmkdir deep/locks\n"
	    "mkdir deep/trash\nmkdir deep/quarantine\nmkdir deep/aliases\n"
	    "mkdir deep/old\nfsync_dir deep\n",
	    strrchr(f->dir, '/') + 1);
	fixture_assert_log(f, expected);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
