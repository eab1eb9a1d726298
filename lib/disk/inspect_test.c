#include "lib/disk/inspect.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "test/unit.h"

#define MAX ((uint64_t)2 << 40)

/* What test/lib/mkqcow2.pl is told, and the code this must be refused with. */
static const struct {
	const char *args, *code;
} hostile[] = {
	{ "version=1", "format" },
	{ "version=4", "format" },
	{ "version=0", "format" },
	{ "backing=/etc/shadow", "backing_file" },
	{ "backing=base.raw", "backing_file" },
	{ "backing=json:{}", "backing_file" },
	{ "backing=nbd://127.0.0.1/", "backing_file" },
	{ "backing_offset=0xffffffffffffffff", "backing_file" },
	{ "backing_size=1024", "backing_file" },
	{ "ext=0xe2792aca:726177", "backing_file" },
	{ "version=2 backing=x", "backing_file" },
	{ "incompatible=4", "data_file" },
	{ "incompatible=4 ext=0x44415441:2f6574632f7061737764", "data_file" },
	{ "ext=0x44415441:2f6574632f7061737764", "data_file" },
	{ "crypt=1", "encrypted" },
	{ "crypt=2", "encrypted" },
	{ "crypt=0xffffffff", "encrypted" },
	{ "ext=0x0537be77:00000000000100000000000000010000", "encrypted" },
	{ "nb_snapshots=1 snapshots_offset=0x50000", "snapshots" },
	{ "nb_snapshots=65535", "snapshots" },
	{ "snapshots_offset=0x50000", "snapshots" },
	{ "incompatible=1", "dirty" },
	{ "incompatible=2", "corrupt" },
	{ "incompatible=3", "corrupt" },
	{ "incompatible=0x10", "feature" },
	{ "incompatible=0x20", "feature" },
	{ "incompatible=0x8000000000000000", "feature" },
	{ "incompatible=8", "feature" },
	{ "incompatible=8 header_length=112 at=104:02", "feature" },
	{ "ext=0x23852875:0000000100000000", "feature" },
	{ "cluster_bits=0", "bad_table" },
	{ "cluster_bits=8", "bad_table" },
	{ "cluster_bits=22", "bad_table" },
	{ "cluster_bits=30", "bad_table" },
	{ "cluster_bits=0xffffffff", "bad_table" },
	{ "refcount_order=7", "bad_table" },
	{ "refcount_order=0xffffffff", "bad_table" },
	{ "header_length=0", "bad_table" },
	{ "header_length=103", "bad_table" },
	{ "header_length=105", "bad_table" },
	{ "header_length=0xfffffff8", "bad_table" },
	{ "at=104:0000000100010000", "bad_table" },
	{ "at=104:00000001ffffffff", "bad_table" },
	{ "virtual_size=0", "virtual_size" },
	{ "virtual_size=1000", "virtual_size" },
	{ "virtual_size=0x80000000000", "virtual_size" },
	{ "virtual_size=0x7fffffffffffffff", "virtual_size" },
	{ "virtual_size=0xfffffffffffffe00", "virtual_size" },
	{ "virtual_size=0x40000000", "bad_table" },
	{ "l1_size=0", "bad_table" },
	{ "l1_size=0x80000000", "bad_table" },
	{ "l1_size=0xffffffff", "bad_table" },
	{ "l1_size=65536", "bad_table" },
	{ "l1_offset=0", "bad_table" },
	{ "l1_offset=0x30001", "bad_table" },
	{ "l1_offset=0x30200", "bad_table" },
	{ "l1_offset=0x10000", "bad_table" },
	{ "l1_offset=0x60000", "bad_table" },
	{ "l1_offset=0xffffffffffff0000", "bad_table" },
	{ "refs_offset=0", "bad_table" },
	{ "refs_offset=0x10008", "bad_table" },
	{ "refs_offset=0x30000", "bad_table" },
	{ "refs_offset=0x60000", "bad_table" },
	{ "refs_offset=0xffffffffffff0000", "bad_table" },
	{ "refs_clusters=0", "bad_table" },
	{ "refs_clusters=6", "bad_table" },
	{ "refs_clusters=129", "bad_table" },
	{ "refs_clusters=0xffffffff", "bad_table" },
	{ "refs.0=0x20001", "bad_table" },
	{ "refs.0=0x20200", "bad_table" },
	{ "refs.0=0x60000", "bad_table" },
	{ "refs.0=0x30000", "bad_table" },
	{ "refs.1=0x20000", "bad_table" },
	{ "refs.0=0xffffffffffff0000", "bad_table" },
	{ "l1.0=0x8000000000040001", "bad_table" },
	{ "l1.0=0xff00000000040000", "bad_table" },
	{ "l1.0=0x8000000000040200", "bad_table" },
	{ "l1.0=0x8000000000060000", "bad_table" },
	{ "l1.0=0x8000000000030000", "bad_table" },
	{ "l1.0=0x80fffffffffff000", "bad_table" },
	{ "l1_size=2 l1.1=0x8000000000040000", "bad_table" },
	{ "l2.0=0x8000000000000000 l2.1=0x8000000000050002", "bad_table" },
	{ "l2.0=0x8000000000050200", "bad_table" },
	{ "l2.0=0x8000000000060000", "bad_table" },
	{ "l2.0=0x8000000000040000", "bad_table" },
	{ "l2.0=0x8000000000010000", "bad_table" },
	{ "l2.0=0x80fffffffffff000", "bad_table" },
	{ "l2.0=0xa000000000050000", "bad_table" },
	{ "l2.1=0x8000000000050000", "bad_table" },
	{ "version=2 l2.0=0x8000000000050001", "bad_table" },
	{ "l2.0=0x4000000000060000", "bad_table" },
	{ "l2.0=0x4000000000000000", "bad_table" },
	{ "l2.0=0x4000000000010000", "bad_table" },
	{ "l2.1=0x4000000000050000", "bad_table" },
	{ "l2.0=0x4000000000050000 l2.1=0x8000000000050000", "bad_table" },
	{ "l2.0=0x7fc0000000050000 l2.1=0x7fc0000000050000 "
	  "l2.2=0x7fc0000000050000 l2.3=0x7fc0000000050000",
	    "bad_table" },
	{ "size=0", "truncated" },
	{ "size=1", "truncated" },
	{ "size=71", "truncated" },
	{ "size=511", "truncated" },
	{ "size=512", "bad_table" },
	{ "size=1024", "bad_table" },
	{ "size=4096", "bad_table" },
	{ "size=65536", "bad_table" },
	{ "size=131072", "bad_table" },
	{ "size=196608", "bad_table" },
	{ "size=262144", "bad_table" },
	{ "size=300000", "bad_table" },
	{ "size=327680", "bad_table" },
	{ "magic=0x4b444d56", "format" },
	{ "magic=0x51454400", "format" },
	{ "magic=0x636f6e65 at=4:63746978", "format" },
	{ "magic=0x76686478 at=4:66696c65", "format" },
	{ "magic=0x4c554b53 at=4:babe", "format" },
	{ "magic=0x1f8b0800", "format" },
	{ "magic=0x504b0304", "format" },
	{ "magic=0 at=64:7f10dabe", "format" },
	{ "magic=0 at=257:7573746172", "format" },
	{ "magic=0 at=32769:4344303031", "format" },
	{ "magic=0 at=392704:636f6e6563746978", "format" },
	{ "magic=0 at=392704:6b6f6c79", "format" },
	{ "magic=0 size=1000", "format" },
	{ "at=64:7f10dabe", "ambiguous" },
	{ "at=257:7573746172", "ambiguous" },
	{ "at=32769:4344303031", "ambiguous" },
	{ "at=392704:636f6e6563746978", "ambiguous" },
	{ "at=392704:6b6f6c79", "ambiguous" },
	{ "magic=0 at=32769:4344303031 at=392704:636f6e6563746978",
	    "ambiguous" },
};

static const char *const harmless[] = {
	"",
	"version=2",
	"compatible=1",
	"header_length=112",
	"incompatible=8 header_length=112",
	"incompatible=8 header_length=112 at=104:01",
	"ext=0x6803f857:000064697274792062697400",
	"ext=0x12345678:00",
	"l2.0=0x8000000000050001",
	"l2.0=1",
	"l2.0=0x4000000000050000 l2.1=0x4000000000050100",
	"l1.0=0",
	"refs.0=0",
	"size=330000",
};

static int
make_image(const char *args)
{
	char command[512], path[] = "/tmp/vmpipe-test.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	snprintf(command, sizeof(command), "test/lib/mkqcow2.pl '%s' >%s",
	    "size=393216", path);
	if (args[0] != '\0')
		snprintf(command, sizeof(command), "test/lib/mkqcow2.pl %s >%s",
		    args, path);
	assert_int_equal(system(command), 0);
	unlink(path);
	return fd;
}

static void
test_refuses_what_could_do_harm(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct vm_inspect inspect = { .virtual_size = 7 };
		struct vm_error err = { 0 };
		int fd VM_CLEAN_FD = make_image(hostile[i].args);

		if (vm_inspect_file(fd, MAX, &inspect, &err) != -1 ||
		    err.kind != VM_E_DATA ||
		    strcmp(err.code, hostile[i].code) != 0)
			fail_msg("%s: not %s but %s: %s", hostile[i].args,
			    hostile[i].code, err.code, err.message);
		assert_int_equal(inspect.virtual_size, 7);
	}
}

static void
test_admits_what_does_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		struct vm_inspect inspect = { 0 };
		struct vm_error err = { 0 };
		int fd VM_CLEAN_FD = make_image(harmless[i]);

		if (vm_inspect_file(fd, MAX, &inspect, &err) == -1)
			fail_msg("%s: %s", harmless[i], err.message);
		assert_int_equal(inspect.format, VM_DISK_QCOW2);
		assert_int_equal(inspect.virtual_size, 1 << 20);
	}
}

static void
test_counts_what_holds_data(void **state)
{
	struct vm_inspect inspect = { 0 };
	struct vm_error err = { 0 };
	int one VM_CLEAN_FD = make_image("");
	int zero VM_CLEAN_FD = make_image("l2.0=0x8000000000050001");

	(void)state;
	assert_int_equal(vm_inspect_file(one, MAX, &inspect, &err), 0);
	assert_int_equal(inspect.allocated, 65536);
	assert_int_equal(vm_inspect_file(zero, MAX, &inspect, &err), 0);
	assert_int_equal(inspect.allocated, 0);
	assert_int_equal(vm_inspect_file(one, 1 << 19, &inspect, &err), -1);
	assert_string_equal(err.code, "virtual_size");
}

static void
test_raw_is_what_is_nothing_else(void **state)
{
	struct vm_inspect inspect = { 0 };
	struct vm_error err = { 0 };
	int fd VM_CLEAN_FD = make_image("magic=0");

	(void)state;
	assert_int_equal(vm_inspect_file(fd, MAX, &inspect, &err), 0);
	assert_int_equal(inspect.format, VM_DISK_RAW);
	assert_int_equal(inspect.virtual_size, 393216);
	assert_string_equal(vm_inspect_format_name(inspect.format), "raw");
	assert_int_equal(vm_inspect_file(fd, 1 << 18, &inspect, &err), -1);
	assert_string_equal(err.code, "virtual_size");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_what_could_do_harm),
		cmocka_unit_test(test_admits_what_does_none),
		cmocka_unit_test(test_counts_what_holds_data),
		cmocka_unit_test(test_raw_is_what_is_nothing_else),
	};

	return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
