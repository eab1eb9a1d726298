#include "lib/disk/qcow2.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "test/unit.h"

#define ON_RAW .backing_file = "base.raw", .backing_format = "raw"

static char dir[64];

static int
enter(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/vmpipe-qcow2-XXXXXX");
	return mkdtemp(dir) == NULL || chdir(dir) == -1 ? -1 : 0;
}

static int
leave(void **state)
{
	(void)state;
	unlink("base.raw");
	unlink("mid.qcow2");
	unlink("disk.qcow2");
	return chdir("/") == -1 || rmdir(dir) == -1 ? -1 : 0;
}

static void
run(const char *script)
{
	const char *const argv[] = { "sh", "-ec", script, NULL };
	struct vm_proc_options options = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	struct vm_error err = { 0 };

	if (vm_proc_run_ok(&options, &result, &err) == -1)
		fail_msg("%s: %s", script, err.message);
}

static int
make(const char *file, const struct vm_qcow2_options *options,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0600);

	assert_true(fd >= 0);
	return vm_qcow2_create(fd, options, err);
}

/* Every cluster size and several disk sizes: qemu-img finds no fault, reads
 * the base through it, and writes of its own are right afterwards. */
static void
test_against_qemu(void **state)
{
	static const uint64_t sizes[] = { 1 << 20, (64 << 20) + 512,
		10ULL << 30, 300ULL << 30 };
	struct vm_error err = { 0 };
	uint64_t size;
	size_t i;

	(void)state;
	run("head -c 1048576 /dev/urandom >base.raw");
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vm_qcow2_options o = { .virtual_size = sizes[i],
			.cluster_bits = i == 0 ? 9 :
			    i == 1	       ? 12 :
			    i == 2	       ? 0 :
						 21,
			.lazy_refcounts = i == 2,
			.backing_file = "base.raw",
			.backing_format = "raw" };
		VM_CLEAN_FD int fd = -1;

		assert_int_equal(0, make("disk.qcow2", &o, &err));
		fd = open("disk.qcow2", O_RDONLY | O_CLOEXEC);
		assert_int_equal(0, vm_qcow2_virtual_size(fd, &size, &err));
		assert_true(size == sizes[i]);
		run("qemu-img check -q disk.qcow2;"
		    "qemu-img info --output=json disk.qcow2 >info;"
		    "grep -q '\"backing-filename\": \"base.raw\"' info;"
		    "grep -q '\"backing-filename-format\": \"raw\"' info;"
		    "rm info;"
		    "qemu-img dd -f qcow2 -O raw bs=1048576 count=1 "
		    "  if=disk.qcow2 of=out; cmp base.raw out; rm out;"
		    "qemu-io -f qcow2 -c 'write -P 7 4096 65536' disk.qcow2 "
		    "  >/dev/null; qemu-img check -q disk.qcow2;"
		    "qemu-io -f qcow2 -c 'read -P 7 4096 65536' disk.qcow2 "
		    "  >/dev/null");
	}
}

static void
test_two_levels(void **state)
{
	struct vm_error err = { 0 };
	struct vm_qcow2_options o = { .virtual_size = 8 << 20,
		.backing_file = "base.raw",
		.backing_format = "raw" };

	(void)state;
	run("head -c 1048576 /dev/urandom >base.raw");
	assert_int_equal(0, make("mid.qcow2", &o, &err));
	run("qemu-io -f qcow2 -c 'write -P 9 0 512' mid.qcow2 >/dev/null");
	o.backing_file = "mid.qcow2";
	o.backing_format = "qcow2";
	assert_int_equal(0, make("disk.qcow2", &o, &err));
	run("qemu-io -f qcow2 -c 'read -P 9 0 512' disk.qcow2 >/dev/null;"
	    "qemu-img check -q disk.qcow2");
}

static void
test_space(void **state)
{
	struct vm_error err = { 0 };
	struct vm_qcow2_options o = { .virtual_size = 100ULL << 30,
		.backing_file = "base.raw",
		.backing_format = "raw" };
	struct stat st;

	(void)state;
	assert_int_equal(0, make("disk.qcow2", &o, &err));
	assert_int_equal(0, stat("disk.qcow2", &st));
	assert_true(st.st_blocks * 512 <= 3 * 4096);
}

/* Subclusters of 1/32: QEMU agrees, and copies no more than it must. */
static void
test_extended_l2(void **state)
{
	static const unsigned bits[] = { 14, 0, 21 };
	struct vm_error err = { 0 };

	(void)state;
	run("head -c 1048576 /dev/urandom >base.raw");
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		struct vm_qcow2_options o = { .virtual_size = 40ULL << 30,
			.cluster_bits = bits[i],
			.extended_l2 = true,
			ON_RAW };

		assert_int_equal(0, make("disk.qcow2", &o, &err));
		run("qemu-img info --output=json disk.qcow2 >info;"
		    "grep -q '\"extended-l2\": true' info; rm info;"
		    "qemu-io -f qcow2 -c 'write -P 7 66048 512' "
		    "  -c 'write -P 8 42948624384 1M' disk.qcow2 >/dev/null;"
		    "qemu-img check -q disk.qcow2");
	}
}

static void
test_no_backing_file(void **state)
{
	struct vm_error err = { 0 };
	struct vm_qcow2_options o = { .virtual_size = 3 << 20 };

	(void)state;
	assert_int_equal(0, make("disk.qcow2", &o, &err));
	run("qemu-img info --output=json disk.qcow2 >info;"
	    "if grep -q backing info; then exit 1; fi; rm info;"
	    "qemu-io -f qcow2 -c 'read -P 0 0 3M' -c 'write -P 7 1M 1M' "
	    "  -c 'read -P 7 1M 1M' disk.qcow2 >/dev/null;"
	    "qemu-img check -q disk.qcow2");
}

static void
test_refused(void **state)
{
	static const struct vm_qcow2_options bad[] = {
		{ .virtual_size = 0, ON_RAW },
		{ .virtual_size = 513, ON_RAW },
		{ .virtual_size = 1ULL << 60, ON_RAW },
		{ .virtual_size = 1ULL << 40, .cluster_bits = 9, ON_RAW },
		{ .virtual_size = 1 << 20, .cluster_bits = 8, ON_RAW },
		{ .virtual_size = 1 << 20, .cluster_bits = 22, ON_RAW },
		{ .virtual_size = 1 << 20,
		    .cluster_bits = 13,
		    .extended_l2 = true,
		    ON_RAW },
		{ .virtual_size = 1 << 20,
		    .backing_file = "nbd:host",
		    .backing_format = "raw" },
		{ .virtual_size = 1 << 20,
		    .backing_file = "",
		    .backing_format = "raw" },
		{ .virtual_size = 1 << 20,
		    .backing_file = "b",
		    .backing_format = "vmdk" },
		{ .virtual_size = 1 << 20, .backing_file = "b" },
		{ .virtual_size = 1 << 20, .backing_format = "raw" },
	};
	struct vm_error err = { 0 };
	struct stat st;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vm_error_clear(&err);
		assert_int_equal(-1, make("disk.qcow2", &bad[i], &err));
		assert_int_equal(VM_E_USAGE, err.kind);
		assert_int_equal(0, stat("disk.qcow2", &st));
		assert_int_equal(0, st.st_size);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_against_qemu, enter,
		    leave),
		cmocka_unit_test_setup_teardown(test_two_levels, enter, leave),
		cmocka_unit_test_setup_teardown(test_space, enter, leave),
		cmocka_unit_test_setup_teardown(test_extended_l2, enter, leave),
		cmocka_unit_test_setup_teardown(test_no_backing_file, enter,
		    leave),
		cmocka_unit_test_setup_teardown(test_refused, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
