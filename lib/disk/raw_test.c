#include "lib/disk/raw.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "lib/disk/chunks.h"
#include "test/unit.h"

#define CHUNK VM_CHUNK

static int
make_file(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* Two chunks of data, three of zeros, then a short one with one byte set. */
static void
fill(unsigned char *data, size_t len)
{
	memset(data, 0, len);
	for (size_t i = 0; i < 2 * CHUNK; i++)
		data[i] = (unsigned char)(i * 7 + i / 4096);
	memset(data + 128 * 1024, 0, 1024 * 1024);
	data[len - 1] = 1;
}

static void
test_writes_sparse_and_digests_each_chunk(void **state)
{
	size_t len = 5 * CHUNK + 1536, got;
	unsigned char *data VM_CLEAN_FREE = malloc(len);
	unsigned char *back VM_CLEAN_FREE = malloc(len);
	struct vm_error err = { 0 };
	struct vm_buf chunks VM_CLEAN_BUF = { 0 }, again VM_CLEAN_BUF = { 0 };
	struct vm_raw *raw VM_CLEAN(vm_raw_clean) = NULL;
	char first[VM_HASH_SHA256_HEX], second[VM_HASH_SHA256_HEX];
	char last[VM_HASH_SHA256_HEX], want[512];
	uint64_t size;
	struct stat st;
	int fd VM_CLEAN_FD = make_file();

	(void)state;
	fill(data, len);
	raw = vm_raw_open(fd, &err);
	assert_non_null(raw);
	for (size_t at = 0, part; at < len; at += part) {
		part = len - at < 65521 ? len - at : 65521;
		assert_int_equal(vm_raw_add(raw, data + at, part, &err), 0);
	}
	assert_int_equal(vm_raw_finish(raw, &size, &chunks, &err), 0);
	assert_int_equal(size, len);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, len);
	assert_true((size_t)st.st_blocks * 512 < 2 * CHUNK);
	assert_int_equal(vm_fd_pread(fd, back, len, 0, &got, "x", &err), 0);
	assert_int_equal(got, len);
	assert_memory_equal(back, data, len);

	assert_int_equal(vm_hash_sha256(data, CHUNK, first, &err), 0);
	assert_int_equal(vm_hash_sha256(data + CHUNK, CHUNK, second, &err), 0);
	assert_int_equal(vm_hash_sha256(data + 5 * CHUNK, 1536, last, &err), 0);
	snprintf(want, sizeof(want),
	    "vmpipe-chunks 1 sha256 4194304 %zu\n%s\n%s\n-\n-\n-\n%s\n", len,
	    first, second, last);
	assert_string_equal(chunks.data, want);
	assert_int_equal(vm_raw_scan(fd, len, &again, &err), 0);
	assert_string_equal(again.data, want);
}

static void
test_nothing_but_zeros_takes_no_space(void **state)
{
	static const unsigned char zeros[65536];
	struct vm_error err = { 0 };
	struct vm_buf chunks VM_CLEAN_BUF = { 0 };
	struct vm_raw *raw VM_CLEAN(vm_raw_clean) = NULL;
	uint64_t size;
	struct stat st;
	int fd VM_CLEAN_FD = make_file();

	(void)state;
	raw = vm_raw_open(fd, &err);
	assert_non_null(raw);
	for (int i = 0; i < 256; i++)
		assert_int_equal(vm_raw_add(raw, zeros, sizeof(zeros), &err),
		    0);
	assert_int_equal(vm_raw_finish(raw, &size, &chunks, &err), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 16 << 20);
	assert_int_equal(st.st_blocks, 0);
	assert_string_equal(chunks.data,
	    "vmpipe-chunks 1 sha256 4194304 16777216\n-\n-\n-\n-\n");
}

/* Buffers are used again; what was in them must not come back. */
static void
test_zeros_before_data_are_zeros(void **state)
{
	const size_t piece = 65536;
	unsigned char *data VM_CLEAN_FREE = malloc(CHUNK);
	unsigned char *back VM_CLEAN_FREE = malloc(CHUNK);
	struct vm_error err = { 0 };
	struct vm_buf chunks VM_CLEAN_BUF = { 0 };
	struct vm_raw *raw VM_CLEAN(vm_raw_clean) = NULL;
	uint64_t size;
	size_t got;
	int fd VM_CLEAN_FD = make_file();

	(void)state;
	raw = vm_raw_open(fd, &err);
	assert_non_null(raw);
	memset(data, 'x', CHUNK);
	for (int i = 0; i < 16; i++)
		assert_int_equal(vm_raw_add(raw, data, CHUNK, &err), 0);
	memset(data, 0, CHUNK);
	data[CHUNK - 1] = 1;
	for (size_t at = 0; at < CHUNK; at += piece)
		assert_int_equal(vm_raw_add(raw, data + at, piece, &err), 0);
	assert_int_equal(vm_raw_finish(raw, &size, &chunks, &err), 0);
	assert_int_equal(vm_fd_pread(fd, back, CHUNK, 16 * CHUNK, &got, "x",
			     &err),
	    0);
	assert_int_equal(got, CHUNK);
	assert_memory_equal(back, data, CHUNK);
}

/* A write that fails in a worker reaches the one who adds, and ends. */
static void
test_a_failed_write_is_reported(void **state)
{
	struct rlimit old, small;
	unsigned char *data VM_CLEAN_FREE = malloc(CHUNK);
	struct vm_error err = { 0 };
	struct vm_buf chunks VM_CLEAN_BUF = { 0 };
	struct vm_raw *raw VM_CLEAN(vm_raw_clean) = NULL;
	uint64_t size;
	int fd VM_CLEAN_FD = make_file(), result = 0;

	(void)state;
	vm_proc_catch_signals();
	memset(data, 'x', CHUNK);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	raw = vm_raw_open(fd, &err);
	assert_non_null(raw);
	for (int i = 0; i < 32 && result == 0; i++)
		result = vm_raw_add(raw, data, CHUNK, &err);
	if (result == 0)
		result = vm_raw_finish(raw, &size, &chunks, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(result, -1);
	assert_int_equal(err.kind, VM_E_IO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes_sparse_and_digests_each_chunk),
		cmocka_unit_test(test_nothing_but_zeros_takes_no_space),
		cmocka_unit_test(test_zeros_before_data_are_zeros),
		cmocka_unit_test(test_a_failed_write_is_reported),
	};

	return cmocka_run_group_tests_name("raw", tests, NULL, NULL);
}
