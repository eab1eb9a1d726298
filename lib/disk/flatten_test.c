#include "lib/disk/flatten.h"

#include <sys/stat.h>

#include "test/overlay_disk.h"

/* disk.qcow2, on two files below it, with all that an entry can say. */
static void
make_chain(void)
{
	run("head -c 3000000 /dev/urandom >base.raw; truncate -s 5M base.raw;"
	    "qemu-img create -qf qcow2 -b base.raw -F raw mid.qcow2 40M;"
	    "qemu-io -f qcow2 -c 'write -c 64k 128k' -c 'write -z 1M 192k' "
	    "  -c 'write -P 3 7000k 100k' -c 'write -P 4 39M 1M' "
	    "  mid.qcow2 >out;"
	    "qemu-img create -qf qcow2 -o extended_l2=on "
	    "  -b mid.qcow2 -F qcow2 disk.qcow2 40M;"
	    "qemu-io -f qcow2 -c 'write -P 5 100k 10k' -c 'write -P 0 2M 1M' "
	    "  -c 'write -P 6 20000k 3000k' disk.qcow2 >out");
}

static void
flatten(const char *format, const char *file)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = open_disk(VM_OVERLAY_READ);
	VM_CLEAN_FD int to = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	struct vm_error err = { 0 };

	if (vm_flatten(disk, format, to, "disk", &err) == -1)
		fail_msg("%s: %s", err.code, err.message);
}

static void
test_raw(void **state)
{
	struct stat st;

	(void)state;
	make_chain();
	flatten("raw", "flat.raw");
	run("qemu-img compare -q -f qcow2 -F raw disk.qcow2 flat.raw;"
	    "test $(stat -c %s flat.raw) = 41943040");
	/* of 40 MiB, what is data and not zero: KiB */
	assert_int_equal(0, stat("flat.raw", &st));
	assert_in_range(st.st_blocks / 2, 5000, 6600);
}

static void
test_qcow2(void **state)
{
	struct stat st;

	(void)state;
	make_chain();
	flatten("qcow2", "flat.qcow2");
	flatten("qcow2", "again.qcow2");
	run("qemu-img compare -q -f qcow2 -F qcow2 disk.qcow2 flat.qcow2;"
	    "qemu-img check -q flat.qcow2; cmp flat.qcow2 again.qcow2;"
	    "rm disk.qcow2 mid.qcow2 base.raw;"
	    "qemu-io -f qcow2 -c 'read -P 6 20000k 3000k' flat.qcow2 >out");
	assert_int_equal(0, stat("flat.qcow2", &st));
	assert_in_range(st.st_size, 5 << 20, 7 << 20);
}

static void
test_raw_to_qcow2(void **state)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;
	VM_CLEAN_FD int to = open("flat.qcow2", O_RDWR | O_CREAT | O_CLOEXEC,
	    0600);
	struct vm_error err = { 0 };

	(void)state;
	run("head -c 100352 /dev/urandom >base.raw; truncate -s 9M base.raw");
	disk = vm_overlay_open(dir_fd, "base.raw", "raw", VM_OVERLAY_READ,
	    &err);
	assert_int_equal(0, vm_flatten(disk, "qcow2", to, "disk", &err));
	run("qemu-img compare -q -f raw -F qcow2 base.raw flat.qcow2;"
	    "qemu-img check -q flat.qcow2");
}

/* A target that takes nothing. */
static void
test_full(void **state)
{
	static const char *const formats[] = { "raw", "qcow2" };
	VM_CLEAN_FD int to = -1;
	struct vm_error err = { 0 };

	(void)state;
	make_disk();
	to = open("base.raw", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < 2; i++) {
		VM_CLEAN_OVERLAY struct vm_overlay *disk =
		    open_disk(VM_OVERLAY_READ);

		assert_int_equal(-1,
		    vm_flatten(disk, formats[i], to, "disk", &err));
		assert_true(vm_error_is_set(&err));
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_raw),
		TEST(test_qcow2),
		TEST(test_raw_to_qcow2),
		TEST(test_full),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
