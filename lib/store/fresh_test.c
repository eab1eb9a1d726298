#include "lib/store/fresh.h"

#include "lib/base/fd.h"
#include "lib/disk/backing.h"
#include "lib/disk/qcow2.h"
#include "lib/store/vm.h"
#include "test/store_fixture.h"

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SIZE ((uint64_t)1 << 20)

/* images/<ID>/<ID>.raw, as a chain; the object that a disk is made in. */
struct bench {
	struct vm_store *store;
	struct vm_chain chain;
	struct vm_publish publish;
};

static void
set_up(struct bench *bench, const struct fixture *f)
{
	struct vm_chain *chain = &bench->chain;
	int fd;

	memset(bench, 0, sizeof(*bench));
	bench->store = fixture_open(f, NULL);
	assert_int_equal(0,
	    mkdirat(bench->store->fds[VM_STORE_IMAGES], ID, 0750));
	chain->dir_fd = vm_store_open_object(bench->store, VM_STORE_IMAGES, ID,
	    NULL);
	fd = openat(chain->dir_fd, ID ".raw", O_CREAT | O_WRONLY, 0444);
	assert_int_equal(6, write(fd, "master", 6));
	assert_int_equal(0, ftruncate(fd, (off_t)SIZE));
	close(fd);
	chain->virtual_size = SIZE;
	chain->count = 1;
	chain->files[0].is_raw = true;
	strcpy(chain->files[0].name, ID ".raw");
	strcpy(chain->image_id, ID);
	assert_int_equal(0,
	    vm_publish_begin(bench->store, &bench->publish, NULL));
}

static void
tear_down(struct bench *bench)
{
	vm_publish_abort(&bench->publish);
	vm_chain_close(&bench->chain);
	vm_store_close(bench->store);
}

/* A disk's record with this mode (NULL: none) and size. */
static struct vm_json *
describe(const char *mode, uint64_t size)
{
	struct vm_json *disk = vm_json_new_object();

	if (mode != NULL)
		assert_int_equal(0,
		    vm_json_set_string(disk, "mode", mode, NULL));
	assert_int_equal(0, vm_fresh_describe(disk, size, NULL));
	return disk;
}

static void
assert_file(const struct bench *bench, const char *file, off_t size,
    nlink_t links)
{
	struct stat st;

	assert_int_equal(0, fstatat(bench->publish.dir_fd, file, &st, 0));
	assert_int_equal(size, st.st_size);
	assert_int_equal(links, st.st_nlink);
}

static bool
has_file(const struct bench *bench, const char *file)
{
	return faccessat(bench->publish.dir_fd, file, F_OK, 0) == 0;
}

static void
test_copy(void **state)
{
	VM_CLEAN_JSON struct vm_json *disk = describe("copy", 2 * SIZE);
	VM_CLEAN_BUF struct vm_buf data = { 0 };
	struct bench bench;

	set_up(&bench, *state);
	assert_string_equal("disk.raw", vm_vm_disk_file(disk));
	assert_string_equal("raw", vm_json_string(disk, "format", ""));
	/* also in the place of one from a try that failed */
	for (int i = 0; i < 2; i++)
		assert_int_equal(0,
		    vm_fresh_make(&bench.publish, &bench.chain, disk, false,
			NULL));
	assert_file(&bench, "disk.raw", (off_t)(2 * SIZE), 1);
	assert_int_equal(0,
	    vm_fd_read_file(bench.publish.dir_fd, "disk.raw", 2 * SIZE, &data,
		NULL));
	assert_memory_equal("master\0", data.data, 7);
	assert_int_equal(0,
	    vm_fresh_link(&bench.publish, &bench.chain, disk, NULL));
	assert_false(has_file(&bench, ID ".raw"));
	tear_down(&bench);
}

static void
test_overlay(void **state)
{
	VM_CLEAN_JSON struct vm_json *disk = describe(NULL, 2 * SIZE);
	struct bench bench;
	struct vm_backing backing;
	uint64_t size;
	int fd;

	set_up(&bench, *state);
	assert_string_equal("overlay", vm_json_string(disk, "mode", ""));
	assert_int_equal(0,
	    vm_json_set_int(disk, "cluster_size", 128 << 10, NULL));
	assert_int_equal(0,
	    vm_fresh_make(&bench.publish, &bench.chain, disk, false, NULL));
	fd = openat(bench.publish.dir_fd, "disk.qcow2", O_RDONLY);
	assert_int_equal(0, vm_qcow2_virtual_size(fd, &size, NULL));
	assert_int_equal(2 * SIZE, size);
	assert_int_equal(0, vm_backing_read(fd, &backing, NULL));
	assert_string_equal(ID ".raw", backing.file);
	close(fd);
	assert_int_equal(0,
	    vm_fresh_link(&bench.publish, &bench.chain, disk, NULL));
	assert_file(&bench, ID ".raw", (off_t)SIZE, 2);
	tear_down(&bench);
}

/* The fixture's file system has no reflinks when it is in memory. */
static void
test_reflink_or_not(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_JSON struct vm_json *disk = describe("reflink", SIZE);
	struct vm_error err = { 0 };
	struct bench bench;

	if (strncmp(f->dir, "/dev/shm/", 9) != 0)
		skip();
	set_up(&bench, f);
	assert_int_equal(-1,
	    vm_fresh_make(&bench.publish, &bench.chain, disk, false, &err));
	assert_string_equal("no_reflink", err.code);
	assert_string_equal("reflink", vm_json_string(disk, "mode", ""));
	assert_int_equal(0,
	    vm_fresh_make(&bench.publish, &bench.chain, disk, true, &err));
	assert_string_equal("copy", vm_json_string(disk, "mode", ""));
	assert_file(&bench, "disk.raw", (off_t)SIZE, 1);
	tear_down(&bench);
}

/* vmgc has taken the image since; a chain with a layer is not a master. */
static void
test_what_cannot_be_copied(void **state)
{
	VM_CLEAN_JSON struct vm_json *disk = describe("copy", SIZE);
	struct vm_error err = { 0 };
	struct bench bench;

	set_up(&bench, *state);
	assert_int_equal(0, unlinkat(bench.chain.dir_fd, ID ".raw", 0));
	assert_int_equal(-1,
	    vm_fresh_make(&bench.publish, &bench.chain, disk, false, &err));
	assert_int_equal(VM_E_NO_INPUT, err.kind);
	assert_string_equal("image_not_found", err.code);
	bench.chain.count = 2;
	assert_int_equal(-1,
	    vm_fresh_make(&bench.publish, &bench.chain, disk, false, &err));
	assert_int_equal(VM_E_BUG, err.kind);
	tear_down(&bench);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_copy),
		TEST(test_overlay),
		TEST(test_reflink_or_not),
		TEST(test_what_cannot_be_copied),
	};

	return cmocka_run_group_tests_name("fresh", tests, NULL, NULL);
}
