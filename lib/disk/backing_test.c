/* backing_test.c - headers we write are read; all others are refused. */
#include "lib/disk/backing.h"

#include <sys/mman.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clean.h"
#include "lib/disk/qcow2.h"

static int
make(const char *file, const char *format)
{
	const struct vm_qcow2_options options = { .virtual_size = 1 << 20,
		.backing_file = file,
		.backing_format = format };
	struct vm_error err = { 0 };
	int fd = memfd_create("overlay", MFD_CLOEXEC);

	assert_int_not_equal(fd, -1);
	assert_int_equal(vm_qcow2_create(fd, &options, &err), 0);
	return fd;
}

static void
poke(int fd, off_t at, const char *bytes, size_t len)
{
	assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
}

static void
is_refused(int fd, const char *message)
{
	struct vm_backing backing = { .file = "untouched" };
	struct vm_error err = { 0 };

	assert_int_equal(vm_backing_read(fd, &backing, &err), -1);
	assert_int_equal(err.kind, VM_E_DATA);
	assert_string_equal(err.code, "bad_overlay");
	assert_string_equal(err.message, message);
	assert_string_equal(backing.file, "untouched");
}

static void
test_own_overlay(void **state)
{
	VM_CLEAN_FD int raw = make("abc.raw", "raw");
	VM_CLEAN_FD int layer = make("def.qcow2", "qcow2");
	struct vm_error err = { 0 };
	struct vm_backing backing;

	(void)state;
	assert_int_equal(vm_backing_read(raw, &backing, &err), 0);
	assert_string_equal(backing.file, "abc.raw");
	assert_string_equal(backing.format, "raw");
	assert_int_equal(vm_backing_read(layer, &backing, &err), 0);
	assert_string_equal(backing.file, "def.qcow2");
	assert_string_equal(backing.format, "qcow2");
	/* no backing file at all */
	poke(raw, 8, "\0\0\0\0\0\0\0\0\0\0\0", 12);
	assert_int_equal(vm_backing_read(raw, &backing, &err), 0);
	assert_string_equal(backing.file, "");
}

static void
test_refused(void **state)
{
	VM_CLEAN_FD int fd = make("abc.raw", "raw");
	char name_at[8];

	(void)state;
	assert_int_equal(pread(fd, name_at, 8, 8), 8);
	poke(fd, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	is_refused(fd, "overlay: the backing file's name is out of place");
	poke(fd, 8, name_at, 8);
	poke(fd, ((unsigned char)name_at[6] << 8) | (unsigned char)name_at[7],
	    "/", 1);
	is_refused(fd, "overlay: the backing file is no plain name");
	poke(fd, 72, "\0\0\0\0\0\0\0\4", 8);
	is_refused(fd, "overlay: it has an external data file");
	poke(fd, 4, "\0\0\0\7", 4);
	is_refused(fd, "overlay: an unknown version of qcow2");
	poke(fd, 0, "KDMV", 4);
	is_refused(fd, "overlay: not a qcow2 file");
}

static void
test_format_not_given(void **state)
{
	VM_CLEAN_FD int fd = make("abc.raw", "raw");
	unsigned char len[4];
	unsigned at;

	(void)state;
	assert_int_equal(pread(fd, len, 4, 100), 4);
	at = ((unsigned)len[2] << 8) | len[3];
	poke(fd, at + 8, "luks", 4);
	is_refused(fd, "overlay: the backing file's format is not given");
	poke(fd, at + 4, "\xff\xff\xff\xff", 4);
	is_refused(fd, "overlay: the backing file's format is not given");
	poke(fd, at, "\0\0\0\0", 4);
	is_refused(fd, "overlay: the backing file's format is not given");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_overlay),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_format_not_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
