#include "lib/disk/copy.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "test/unit.h"

static int
temporary(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void
test_holes(void **state)
{
	VM_CLEAN_FD int from = temporary();
	VM_CLEAN_FD int to = temporary();
	struct vm_error err = { 0 };
	struct stat a, b;
	char text[8] = "";
	size_t got;

	(void)state;
	assert_int_equal(0, ftruncate(from, 1 << 30));
	assert_int_equal(0,
	    vm_fd_pwrite(from, "middle", 7, 512 << 20, "x", &err));
	assert_int_equal(0, vm_copy_sparse(from, to, &err));
	assert_int_equal(0, fstat(from, &a));
	assert_int_equal(0, fstat(to, &b));
	assert_int_equal(a.st_size, b.st_size);
	assert_true(b.st_blocks <= a.st_blocks + 16);
	assert_int_equal(0,
	    vm_fd_pread(to, text, 7, 512 << 20, &got, "x", &err));
	assert_string_equal("middle", text);
}

static void
test_empty_and_dense(void **state)
{
	VM_CLEAN_FD int from = temporary();
	VM_CLEAN_FD int to = temporary();
	VM_CLEAN_FD int again = temporary();
	struct vm_error err = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(0, vm_copy_sparse(from, to, &err));
	assert_int_equal(0, vm_fd_write(from, "dense", 5, "x", &err));
	assert_int_equal(0, vm_copy_sparse(from, again, &err));
	assert_int_equal(0, fstat(again, &st));
	assert_int_equal(5, st.st_size);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_empty_and_dense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
