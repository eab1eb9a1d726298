#include "lib/disk/overlay.h"

#include "test/overlay_disk.h"

/* --- opening -------------------------------------------------------------- */

static void
test_open_refused(void **state)
{
	(void)state;
	run("mkfifo fifo; mkdir sub; echo >text; ln -s text link;"
	    "qemu-img create -qf qcow2 sub/outside 1M;"
	    "qemu-img create -qf qcow2 -b sub/outside -F qcow2 far 1M;"
	    "qemu-img create -qu -f qcow2 -b link -F raw linked 1M;"
	    "qemu-img create -qu -f qcow2 -b gone -F raw orphan 1M;"
	    "qemu-img create -qu -f qcow2 -b snake -F qcow2 tail 1M;"
	    "mv tail snake;"
	    "qemu-img create -qf qcow2 -o data_file=d split 1M");
	expect_refused("none", "raw", VM_OVERLAY_READ, VM_E_NO_INPUT,
	    "not_found");
	expect_refused("link", "raw", VM_OVERLAY_READ, VM_E_DENIED, "symlink");
	expect_refused("fifo", "raw", VM_OVERLAY_READ, VM_E_DENIED,
	    "not_regular");
	expect_refused("sub", "raw", VM_OVERLAY_READ, VM_E_DENIED,
	    "not_regular");
	expect_refused("text", "vmdk", VM_OVERLAY_READ, VM_E_DATA,
	    "bad_overlay");
	expect_refused("text", "qcow2", VM_OVERLAY_READ, VM_E_DATA,
	    "truncated");
	expect_refused("text", "raw", VM_OVERLAY_WRITE, VM_E_DATA, "feature");
	expect_refused("far", "qcow2", VM_OVERLAY_READ, VM_E_DATA,
	    "bad_overlay");
	expect_refused("linked", "qcow2", VM_OVERLAY_READ, VM_E_DENIED,
	    "symlink");
	expect_refused("orphan", "qcow2", VM_OVERLAY_READ, VM_E_NO_INPUT,
	    "not_found");
	expect_refused("snake", "qcow2", VM_OVERLAY_READ, VM_E_DATA,
	    "chain_too_long");
	expect_refused("split", "qcow2", VM_OVERLAY_READ, VM_E_DATA,
	    "data_file");
}

/* What we read and do not write. */
static void
test_only_read(void **state)
{
	static const char *const others[] = { "-o compat=0.10",
		"-o refcount_bits=8" };
	char command[128];
	struct vm_error err = { 0 };

	(void)state;
	make_disk();
	run("qemu-img snapshot -c one disk.qcow2");
	expect_refused("disk.qcow2", "qcow2", VM_OVERLAY_WRITE, VM_E_DATA,
	    "snapshots");
	make_disk();
	put(72, 1);
	expect_refused("disk.qcow2", "qcow2", VM_OVERLAY_WRITE, VM_E_DATA,
	    "dirty");
	for (size_t i = 0; i < 2; i++) {
		VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;

		snprintf(command, sizeof(command),
		    "qemu-img create -qf qcow2 %s disk.qcow2 1M", others[i]);
		run(command);
		expect_refused("disk.qcow2", "qcow2", VM_OVERLAY_WRITE,
		    VM_E_DATA, "feature");
		disk = open_disk(VM_OVERLAY_READ);
		assert_int_equal(MIB, vm_overlay_size(disk));
		assert_int_equal(-1, vm_overlay_write(disk, "", 1, 0, &err));
		assert_string_equal("read_only", err.code);
	}
}

/* A nameless file that stands on nothing, and one that needs a directory. */
static void
test_open_fd(void **state)
{
	VM_CLEAN_FD int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	VM_CLEAN_FD int other = -1;
	const struct vm_qcow2_options options = { .virtual_size = MIB };
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL, *again = NULL;
	struct vm_error err = { 0 };
	char text[5];

	(void)state;
	assert_int_equal(0, vm_qcow2_create(fd, &options, &err));
	disk = vm_overlay_open_fd(fd, -1, "qcow2", VM_OVERLAY_WRITE, &err);
	assert_non_null(disk);
	assert_int_equal(1, vm_overlay_depth(disk));
	assert_int_equal(0, vm_overlay_write(disk, "text", 5, MIB - 5, &err));
	assert_int_equal(0, vm_overlay_flush(disk, &err));
	vm_overlay_close(&disk);
	again = vm_overlay_open_fd(fd, -1, "qcow2", VM_OVERLAY_READ, &err);
	assert_int_equal(0, vm_overlay_read(again, text, 5, MIB - 5, &err));
	assert_string_equal("text", text);
	make_disk();
	other = open("disk.qcow2", O_RDONLY | O_CLOEXEC);
	assert_null(vm_overlay_open_fd(other, -1, "qcow2", VM_OVERLAY_READ,
	    &err));
	assert_string_equal("backing_file", err.code);
}

/* --- reading and writing -------------------------------------------------- */

static void
test_range(void **state)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;
	struct vm_overlay_extent extent;
	struct vm_error err = { 0 };
	char byte = 0;

	(void)state;
	make_disk();
	disk = open_disk(VM_OVERLAY_WRITE);
	assert_int_equal(2, vm_overlay_depth(disk));
	assert_int_equal(0, vm_overlay_read(disk, &byte, 0, MIB, &err));
	assert_int_equal(-1, vm_overlay_read(disk, &byte, 1, MIB, &err));
	assert_string_equal("bad_range", err.code);
	assert_int_equal(-1,
	    vm_overlay_write(disk, &byte, 1, UINT64_MAX, &err));
	assert_string_equal("bad_range", err.code);
	assert_int_equal(-1,
	    vm_overlay_map(disk, 1, UINT64_MAX, &extent, &err));
	assert_string_equal("bad_range", err.code);
}

static void
expect_extent(struct vm_overlay *disk, uint64_t offset, uint64_t len,
    enum vm_overlay_kind kind, unsigned depth)
{
	struct vm_overlay_extent extent;
	struct vm_error err = { 0 };

	assert_int_equal(0,
	    vm_overlay_map(disk, offset, MIB - offset, &extent, &err));
	assert_int_equal(offset, extent.offset);
	assert_int_equal(len, extent.len);
	assert_int_equal(kind, extent.kind);
	assert_int_equal(depth, extent.depth);
}

static void
test_map(void **state)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;

	(void)state;
	make_disk();
	run("truncate -s 393216 base.raw;"
	    "qemu-io -f qcow2 -c 'write -z 512k 64k' disk.qcow2 >out");
	disk = open_disk(VM_OVERLAY_READ);
	expect_extent(disk, 0, CLUSTER, VM_OVERLAY_DATA, 1);
	expect_extent(disk, 100, CLUSTER - 100, VM_OVERLAY_DATA, 1);
	expect_extent(disk, CLUSTER, CLUSTER, VM_OVERLAY_DATA, 0);
	expect_extent(disk, 303104, 393216 - 303104, VM_OVERLAY_ZERO, 1);
	expect_extent(disk, 6 * CLUSTER, 2 * CLUSTER, VM_OVERLAY_HOLE, 1);
	expect_extent(disk, 8 * CLUSTER, CLUSTER, VM_OVERLAY_ZERO, 0);
	expect_extent(disk, 9 * CLUSTER, 7 * CLUSTER, VM_OVERLAY_HOLE, 1);
}

static void
test_zstd(void **state)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;
	struct vm_error err = { 0 };
	char text[17] = "";

	(void)state;
	make_disk();
	run("qemu-img convert -c -O qcow2 -o compression_type=zstd base.raw d;"
	    "mv d disk.qcow2");
	disk = open_disk(VM_OVERLAY_WRITE);
	assert_int_equal(0, vm_overlay_read(disk, text, 16, 160000, &err));
	assert_string_equal("0123456789abcde\n", text);
	assert_int_equal(0, vm_overlay_write(disk, "X", 1, 160001, &err));
	assert_int_equal(0, vm_overlay_flush(disk, &err));
	assert_int_equal(0, vm_overlay_read(disk, text, 16, 160000, &err));
	assert_string_equal("0X23456789abcde\n", text);
	run("qemu-img check -q disk.qcow2; cp base.raw want;"
	    "printf X | dd of=want bs=1 seek=160001 conv=notrunc status=none;"
	    "qemu-img compare -q -f qcow2 -F raw disk.qcow2 want");
}

/* Clusters and tables that are used once, and do not say so, are replaced. */
static void
test_not_copied(void **state)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;
	const uint64_t copied = (uint64_t)1 << 63;
	uint64_t table, data;
	struct vm_error err = { 0 };

	(void)state;
	make_disk();
	table = get(AT_L1) & ~copied;
	data = get(entry_1()) & ~copied;
	put(entry_1(), data);
	put(AT_L1, table);
	disk = open_disk(VM_OVERLAY_WRITE);
	assert_int_equal(0, vm_overlay_write(disk, "X", 1, 70000, &err));
	assert_int_equal(0, vm_overlay_flush(disk, &err));
	assert_true((get(AT_L1) & ~copied) != table);
	assert_true((get(entry_1()) & ~copied) != data);
	run("qemu-img check -q disk.qcow2; qemu-io -f qcow2 "
	    "-c 'read -P 7 65536 4464' -c 'read -P 88 70000 1' "
	    "-c 'read -P 7 70001 61071' disk.qcow2 >out");
}

/* More tables than the cache has room for, in a disk larger than any file. */
static void
test_many_tables(void **state)
{
	const struct vm_qcow2_options options = { .virtual_size = 40 * TIB,
		.cluster_bits = 21 };
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;
	struct vm_error err = { 0 };
	char byte;

	(void)state;
	make("disk.qcow2", &options);
	disk = open_disk(VM_OVERLAY_WRITE);
	for (uint64_t i = 0; i < 40; i++) {
		byte = (char)('A' + i);
		assert_int_equal(0,
		    vm_overlay_write(disk, &byte, 1, i * TIB + i, &err));
	}
	for (uint64_t i = 0; i < 40; i++) {
		assert_int_equal(0,
		    vm_overlay_read(disk, &byte, 1, i * TIB + i, &err));
		assert_int_equal('A' + i, byte);
	}
	assert_int_equal(0, vm_overlay_flush(disk, &err));
	run("qemu-img check -q disk.qcow2; qemu-io -f qcow2 "
	    "-c 'read -P 65 0 1' -c 'read -P 66 1099511627777 1' "
	    "-c 'read -P 80 16492674416655 1' disk.qcow2 >out");
}

/* Clusters that are given back are counted all over the file. */
static void
test_many_blocks(void **state)
{
	const struct vm_qcow2_options options = { .virtual_size = 8 * MIB,
		.cluster_bits = 9 };
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;
	VM_CLEAN_FREE unsigned char *data = calloc(1, 40 * 512);
	const uint64_t copied = (uint64_t)1 << 63;
	struct vm_error err = { 0 };
	uint64_t table;

	(void)state;
	make("disk.qcow2", &options);
	run("for i in $(seq 0 39); do"
	    "  echo \"write -q $((i * 512)) 512\";"
	    "  echo \"write -q $((1048576 + i * 131072)) 131072\";"
	    "done >script;"
	    "qemu-io -f qcow2 disk.qcow2 <script >out");
	table = get(3 * 512) & ~copied; /* not our own: all are replaced */
	for (uint64_t at = table; at < table + 40 * sizeof(at); at += 8)
		put(at, get(at) & ~copied);
	disk = open_disk(VM_OVERLAY_WRITE);
	memset(data, 'x', 40 * 512);
	assert_int_equal(0, vm_overlay_write(disk, data, 40 * 512, 0, &err));
	assert_int_equal(0, vm_overlay_flush(disk, &err));
	run("qemu-img check -q disk.qcow2;"
	    "qemu-io -f qcow2 -c 'read -P 120 0 20480' disk.qcow2 >out");
}

/* What a crash has left counted is not used, what lies behind the end either.
 */
static void
test_leaked(void **state)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;
	struct vm_error err = { 0 };
	uint64_t data;

	(void)state;
	make_disk();
	data = get(entry_1()) & ~((uint64_t)1 << 63);
	put_count(data + CLUSTER, 1);
	put_count(data + 3 * CLUSTER, 7);
	disk = open_disk(VM_OVERLAY_WRITE);
	for (uint64_t at = 2 * CLUSTER; at < 6 * CLUSTER; at += CLUSTER)
		assert_int_equal(0, vm_overlay_write(disk, "x", 1, at, &err));
	assert_int_equal(0, vm_overlay_flush(disk, &err));
	expect_found(5, 2, 0);
}

/* What is not flushed is not there, and does no harm. */
static void
test_not_flushed(void **state)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;
	struct vm_error err = { 0 };
	char byte = 'X';

	(void)state;
	make_disk();
	disk = open_disk(VM_OVERLAY_WRITE);
	assert_int_equal(0, vm_overlay_write(disk, &byte, 1, 0, &err));
	assert_int_equal(0, vm_overlay_write(disk, &byte, 1, CLUSTER, &err));
	vm_overlay_close(&disk);
	assert_null(disk);
	disk = open_disk(VM_OVERLAY_READ);
	assert_int_equal(0, vm_overlay_read(disk, &byte, 1, 0, &err));
	assert_int_equal('0', byte);
	run("qemu-img check -q disk.qcow2");
}

/* A flush that fails is the last one. */
static void
test_flush_fails(void **state)
{
	VM_CLEAN_FD int fd = -1;
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL;
	struct vm_error err = { 0 };
	char byte = 'X';

	(void)state;
	make_disk();
	/* good for reading only, which shows when tables are to be written */
	fd = open("disk.qcow2", O_RDONLY | O_CLOEXEC);
	disk = vm_overlay_open_fd(fd, dir_fd, "qcow2", VM_OVERLAY_WRITE, &err);
	assert_non_null(disk);
	assert_int_equal(-1, vm_overlay_write(disk, &byte, 1, 0, &err));
	assert_int_equal(-1, vm_overlay_flush(disk, &err));
	assert_int_equal(-1, vm_overlay_flush(disk, &err));
	assert_string_equal("flush_failed", err.code);
	assert_int_equal(-1, vm_overlay_write(disk, &byte, 1, 0, &err));
	assert_string_equal("flush_failed", err.code);
	assert_int_equal(0, vm_overlay_read(disk, &byte, 1, 0, &err));
	assert_int_equal('0', byte);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_open_refused),
		TEST(test_only_read),
		TEST(test_open_fd),
		TEST(test_range),
		TEST(test_map),
		TEST(test_zstd),
		TEST(test_not_copied),
		TEST(test_many_tables),
		TEST(test_many_blocks),
		TEST(test_leaked),
		TEST(test_not_flushed),
		TEST(test_flush_fails),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
