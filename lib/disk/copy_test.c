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

/* On a file system that has no reflinks, and where it has them. */
static void
test_sharing_or_not_at_all(void **state)
{
	VM_CLEAN_FD int from = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
	VM_CLEAN_FD int to = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
	struct vm_error err = { 0 };
	struct stat st;

	(void)state;
	if (from == -1 || to == -1)
		skip();
	assert_int_equal(0, vm_fd_write(from, "dense", 5, "x", &err));
	assert_int_equal(-1, vm_copy_share(from, to, &err));
	assert_int_equal(VM_E_UNAVAILABLE, err.kind);
	assert_string_equal("no_reflink", err.code);
	assert_int_equal(0, fstat(to, &st));
	assert_int_equal(0, st.st_size);
	/* not for want of reflinks */
	assert_int_equal(-1, vm_copy_share(-1, to, &err));
	assert_string_not_equal("no_reflink", err.code);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_empty_and_dense),
		cmocka_unit_test(test_sharing_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
