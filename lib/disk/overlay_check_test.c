#include "lib/disk/overlay.h"

#include "test/overlay_disk.h"

static void
expect_bad(const char *code)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = open_disk(VM_OVERLAY_READ);
	struct vm_overlay_check found;
	struct vm_error err = { 0 };

	assert_int_equal(-1, vm_overlay_check(disk, &found, &err));
	assert_string_equal(code, err.code);
	assert_int_equal(VM_E_DATA, err.kind);
}

static void
test_check_sound(void **state)
{
	(void)state;
	make_disk();
	expect_found(1, 0, 0);
	run("qemu-io -f qcow2 -c 'write -c 256k 64k' -c 'write -z 512k 64k' "
	    "  disk.qcow2 >out; qemu-img snapshot -c one disk.qcow2;"
	    "qemu-io -f qcow2 -c 'write 64k 1k' -c 'write 900k 1k' "
	    "  disk.qcow2 >out; qemu-img snapshot -c two disk.qcow2");
	expect_found(3, 0, 2);
}

static void
test_check_counts(void **state)
{
	const uint64_t copied = (uint64_t)1 << 63;
	uint64_t data;

	(void)state;
	make_disk();
	data = get(entry_1()) & ~copied;
	put_count(data + 2 * CLUSTER, 1); /* not in the file */
	put_count(data + 3 * CLUSTER, 9);
	expect_found(1, 2, 0);
	put_count(data, 2); /* the entry says that it is 1 */
	expect_bad("bad_refcount");
	put(entry_1(), data);
	expect_found(1, 3, 0);
	put_count(data, 0);
	expect_bad("bad_refcount");
	put(72, 1); /* dirty: nobody has said that counts are right */
	expect_found(1, 2, 0);
}

static void
test_check_tables(void **state)
{
	uint64_t entry;

	(void)state;
	make_disk();
	entry = get(entry_1());
	put(entry_1(), entry + 512);
	expect_bad("bad_table");
	put(entry_1(), entry + ((uint64_t)1 << 40));
	expect_bad("bad_table");
	put(entry_1(), entry | 2);
	expect_bad("bad_table");
	put(entry_1(), entry | (uint64_t)1 << 62);
	expect_bad("bad_table");
	put(entry_1(), entry);
	put(entry_1() + 8, entry);
	expect_bad("overlap");
	put(entry_1() + 8, AT_L1);
	expect_bad("overlap");
	put(entry_1() + 8, 0);
	put(AT_L1, get(AT_L1) | (uint64_t)1 << 60);
	expect_bad("bad_table");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_check_sound),
		TEST(test_check_counts),
		TEST(test_check_tables),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
