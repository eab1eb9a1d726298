#include "lib/disk/inspect.h"

#include <sys/resource.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "test/unit.h"

#define MAX ((uint64_t)2 << 40)
#define MIB ((uint64_t)1 << 20)

/* A maker in test/lib and what it is told; what must be seen in its file. */
static const struct {
	const char *args;
	enum vm_disk_format format;
	uint64_t virtual_size, allocated;
} harmless[] = {
	{ "mkqcow2.pl", VM_DISK_QCOW2, MIB, 65536 },
	{ "mkqcow2.pl version=2", VM_DISK_QCOW2, MIB, 65536 },
	{ "mkqcow2.pl compatible=1", VM_DISK_QCOW2, MIB, 65536 },
	{ "mkqcow2.pl header_length=112", VM_DISK_QCOW2, MIB, 65536 },
	{ "mkqcow2.pl incompatible=8 header_length=112", VM_DISK_QCOW2, MIB,
	    65536 },
	{ "mkqcow2.pl incompatible=8 header_length=112 at=104:01",
	    VM_DISK_QCOW2, MIB, 65536 },
	{ "mkqcow2.pl ext=0x6803f857:000064697274792062697400", VM_DISK_QCOW2,
	    MIB, 65536 },
	{ "mkqcow2.pl ext=0x12345678:00", VM_DISK_QCOW2, MIB, 65536 },
	{ "mkqcow2.pl l2.0=0x8000000000050001", VM_DISK_QCOW2, MIB, 0 },
	{ "mkqcow2.pl l2.0=1", VM_DISK_QCOW2, MIB, 0 },
	{ "mkqcow2.pl l2.0=0x4000000000050000 l2.1=0x4000000000050100",
	    VM_DISK_QCOW2, MIB, 131072 },
	{ "mkqcow2.pl l1.0=0", VM_DISK_QCOW2, MIB, 0 },
	{ "mkqcow2.pl refs.0=0", VM_DISK_QCOW2, MIB, 65536 },
	{ "mkqcow2.pl size=330000", VM_DISK_QCOW2, MIB, 65536 },
	{ "mkqcow2.pl magic=0", VM_DISK_RAW, 393216, 393216 },
	{ "mkdisk.pl vmdk", VM_DISK_VMDK, MIB, 4096 },
	{ "mkdisk.pl vmdk version=2 flags=7 gt0=1 copy_gt0=1", VM_DISK_VMDK,
	    MIB, 0 },
	{ "mkdisk.pl vmdk version=3 flags=1 copy0=9", VM_DISK_VMDK, MIB, 4096 },
	{ "mkdisk.pl vmdk copy=0", VM_DISK_VMDK, MIB, 4096 },
	{ "mkdisk.pl vmdk gt0=0 gt1=32 copy_gt0=0 copy_gt1=32", VM_DISK_VMDK,
	    MIB, 4096 },
	{ "mkdisk.pl vmdk gt0=33 copy_gt0=33 size=21000", VM_DISK_VMDK, MIB,
	    4096 },
	{ "mkdisk.pl vmdk 'text=s/RW 2048/RW  2041/'", VM_DISK_VMDK, MIB,
	    4096 },
	{ "mkdisk.pl vmdk text_len=1", VM_DISK_VMDK, MIB, 4096 },
	{ "mkdisk.pl stream", VM_DISK_VMDK, MIB, 4096 },
	{ "mkdisk.pl stream 'text=s/RW 2048/%0aencoding=\"UTF-8\"%0a"
	  "isNativeSnapshot=\"no\"%0aRDONLY 2048/'",
	    VM_DISK_VMDK, MIB, 4096 },
	{ "mkdisk.pl stream gd0=0", VM_DISK_VMDK, MIB, 0 },
	{ "mkdisk.pl stream directory=32 size=16900", VM_DISK_VMDK, MIB, 4096 },
	{ "mkdisk.pl vhd", VM_DISK_VHD, 256 << 10, 65536 },
	{ "mkdisk.pl vhd bat0=0xffffffff bat3=4", VM_DISK_VHD, 256 << 10,
	    65536 },
	{ "mkdisk.pl vhd current=0x30200", VM_DISK_VHD, 0x30200, 65536 },
	{ "mkdisk.pl fixed", VM_DISK_VHD, 256 << 10, 256 << 10 },
	{ "mkdisk.pl vhdx", VM_DISK_VHDX, 3 * MIB, MIB },
	{ "mkdisk.pl vhdx bat0=3 bat1=0x400006", VM_DISK_VHDX, 3 * MIB, MIB },
	{ "mkdisk.pl vhdx at=65544:ff", VM_DISK_VHDX, 3 * MIB, MIB },
	{ "mkdisk.pl vhdx old_log_id=1", VM_DISK_VHDX, 3 * MIB, MIB },
	{ "mkdisk.pl vhdx log_len=0 log=0", VM_DISK_VHDX, 3 * MIB, MIB },
	{ "mkdisk.pl vhdx block=0x1000000 disk=0x100000", VM_DISK_VHDX, MIB,
	    MIB },
	{ "mkdisk.pl vhdx disk=0x100100000 bat0=0 s8:3178504=0x400006",
	    VM_DISK_VHDX, 0x100100000, MIB },
	{ "mkdisk.pl vhdx items=6", VM_DISK_VHDX, 3 * MIB, MIB },
	{ "mkdisk.pl vhdx regions=3 region2_at=0x400000 region2_len=0x100000 "
	  "bat0=0",
	    VM_DISK_VHDX, 3 * MIB, 0 },
	{ "mkdisk.pl vdi", VM_DISK_VDI, 3 * MIB, MIB },
	{ "mkdisk.pl vdi type=2 map0=0xfffffffe map2=0", VM_DISK_VDI, 3 * MIB,
	    MIB },
	{ "mkdisk.pl vdi disk=0x200200 map=1024 data=1536 size=1050112 "
	  "at=1024:00000000ffffffffffffffff",
	    VM_DISK_VDI, 0x200200, MIB },
};

static int
make_image(const char *args)
{
	char command[512], path[] = "/tmp/vmpipe-test.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	snprintf(command, sizeof(command), "test/lib/%s >%s", args, path);
	assert_int_equal(system(command), 0);
	unlink(path);
	return fd;
}

/* One line of mkhostile.pl: its file, two codes, how it was made. */
static bool
check_hostile(const char *dir, const char *line)
{
	struct vm_inspect inspect = { .virtual_size = 7 };
	struct vm_error err = { 0 };
	char name[64], code[64], ours[64], what[256], path[128];
	int fd VM_CLEAN_FD = -1;
	clock_t began;

	assert_int_equal(sscanf(line, "%63[^\t]\t%63[^\t]\t%63[^\t]\t%255[^\n]",
			     name, code, ours, what),
	    4);
	/* What is unpacked first, or has a name that lies, is not for us. */
	if (strstr(name, ".img") == NULL || what[strcspn(what, "+ ")] == '+')
		return false;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	began = clock();
	if (vm_inspect_file(fd, MAX, &inspect, &err) != -1 ||
	    err.kind != VM_E_DATA || strcmp(err.code, code) != 0)
		fail_msg("%s: not %s but %s: %s", what, code, err.code,
		    err.message);
	if (clock() - began >= CLOCKS_PER_SEC)
		fail_msg("%s: took a second or more", what);
	assert_int_equal(inspect.virtual_size, 7);
	return true;
}

/* The most that this process has ever had. */
static void
check_memory(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(usage.ru_maxrss < 64 << 10);
#endif
}

static void
test_refuses_what_could_do_harm(void **state)
{
	char dir[] = "/tmp/vmpipe-test.XXXXXX", command[128], line[512];
	size_t seen = 0;
	FILE *list;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command), "test/lib/mkhostile.pl %s", dir);
	list = popen(command, "r");
	assert_non_null(list);
	while (fgets(line, sizeof(line), list) != NULL)
		seen += check_hostile(dir, line);
	assert_int_equal(pclose(list), 0);
	assert_true(seen >= 500);
	check_memory();
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void
test_admits_what_does_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		struct vm_inspect inspect = { 0 };
		struct vm_error err = { 0 };
		int fd VM_CLEAN_FD = make_image(harmless[i].args);

		if (vm_inspect_file(fd, MAX, &inspect, &err) == -1)
			fail_msg("%s: %s", harmless[i].args, err.message);
		assert_int_equal(inspect.format, harmless[i].format);
		assert_int_equal(inspect.virtual_size,
		    harmless[i].virtual_size);
		assert_int_equal(inspect.allocated, harmless[i].allocated);
		if (vm_inspect_file(fd, harmless[i].virtual_size - 512,
			&inspect, &err) != -1 ||
		    strcmp(err.code, "virtual_size") != 0)
			fail_msg("%s: any size", harmless[i].args);
	}
}

static void
check_refused(int fd, const char *words)
{
	struct vm_inspect inspect = { 0 };
	struct vm_error err = { 0 };

	assert_int_equal(vm_inspect_file(fd, MAX, &inspect, &err), -1);
	assert_string_equal(err.code, "bad_table");
	assert_non_null(strstr(err.message, words));
}

/* Holes on our disk: neither we nor QEMU shall need memory for them. */
static void
test_refuses_what_fills_memory(void **state)
{
	unsigned char footer[512];
	int vhdx VM_CLEAN_FD = make_image(
	    "mkdisk.pl vhdx region0_at=0x600000 region0_len=0x4100000");
	int vhd VM_CLEAN_FD =
	    make_image("mkdisk.pl vhd entries=0x1000001 table=0x100000");
	int vmdk VM_CLEAN_FD = make_image("mkdisk.pl vmdk");

	(void)state;
	assert_int_equal(ftruncate(vhdx, 0x4800000), 0);
	check_refused(vhdx, "too large a table");
	assert_int_equal(pread(vhd, footer, 512, 0), 512);
	assert_int_equal(pwrite(vhd, footer, 512, 0x5100000), 512);
	check_refused(vhd, "a table of 16777217 blocks");
	assert_int_equal(ftruncate(vmdk, (off_t)1 << 38), 0);
	check_refused(vmdk, "too large to be checked");
	check_memory();
}

static void
test_names(void **state)
{
	static const char *const names[VM_DISK_FORMATS] = { "raw", "qcow2",
		"vmdk", "vhd", "vhdx", "vdi" };

	(void)state;
	for (int i = 0; i < VM_DISK_FORMATS; i++)
		assert_string_equal(
		    vm_inspect_format_name((enum vm_disk_format)i), names[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_what_could_do_harm),
		cmocka_unit_test(test_admits_what_does_none),
		cmocka_unit_test(test_refuses_what_fills_memory),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
