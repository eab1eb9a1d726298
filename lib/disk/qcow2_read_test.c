#include "lib/disk/qcow2_read.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "lib/disk/chunks.h"
#include "lib/disk/inspect.h"
#include "lib/disk/raw.h"
#include "test/unit.h"

#define MAX ((uint64_t)1 << 40)
#define SIZE (2 * VM_CHUNK + 1536) /* of the disks, bytes */

/* A directory with disk.raw; commands run in it. */
struct room {
	char path[64];
	char *mkqcow2;
};

/* Text, zeros, noise, zeros but for one byte, noise. */
static void
write_disk(const char *path)
{
	unsigned char *data VM_CLEAN_FREE = calloc(1, SIZE);
	FILE *file VM_CLEAN_FILE = fopen(path, "w");
	uint64_t seed = 1;

	assert_non_null(data);
	assert_non_null(file);
	for (size_t i = 0; i < SIZE; i++) {
		bool noise = (i >= 3 << 20 && i < (3 << 20) + 300000) ||
		    i >= SIZE - 1000;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		if (i < 1 << 20)
			data[i] = (unsigned char)("0123456789\n"[i % 11]);
		else if (noise)
			data[i] = (unsigned char)(seed >> 56);
	}
	data[VM_CHUNK + 100000] = 1;
	assert_int_equal(fwrite(data, 1, SIZE, file), SIZE);
}

static int
make_room(void **state)
{
	static const struct room empty = { .path = "/tmp/vmpipe-test.XXXXXX" };
	struct room *room = malloc(sizeof(*room));
	char path[128];

	assert_non_null(room);
	*room = empty;
	assert_non_null(mkdtemp(room->path));
	room->mkqcow2 = realpath("test/lib/mkqcow2.pl", NULL);
	assert_non_null(room->mkqcow2);
	snprintf(path, sizeof(path), "%s/disk.raw", room->path);
	write_disk(path);
	*state = room;
	return 0;
}

static void
run(const struct room *room, const char *command)
{
	char line[1024];

	snprintf(line, sizeof(line), "cd %s && %s", room->path, command);
	if (system(line) != 0)
		fail_msg("%s", line);
}

static int
leave_room(void **state)
{
	struct room *room = *state;

	run(room, "rm -rf \"$PWD\"");
	free(room->mkqcow2);
	free(room);
	return 0;
}

static int
open_file(const struct room *room, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", room->path, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int
make_file(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static uint64_t
size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

static uint64_t
space_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* Let the image arrive in `to`, so many bytes at a time. */
static int
arrive(struct vm_qcow2_read *reader, int image, int to, uint64_t step,
    uint64_t allowed, struct vm_error *err)
{
	unsigned char *data VM_CLEAN_FREE = malloc(step);
	uint64_t at = 0;

	assert_non_null(data);
	for (size_t got = 1; got > 0;) {
		if (vm_fd_pread(image, data, step, at, &got, "image", err) ==
			-1 ||
		    vm_fd_pwrite(to, data, got, at, "spool", err) == -1)
			return -1;
		at += got;
		if (vm_qcow2_read_advance(reader, at, allowed, err) == -1)
			return -1;
	}
	return 0;
}

/* Read a whole image into `to`. */
static int
convert(int image, uint64_t step, int to, struct vm_buf *chunks,
    struct vm_error *err)
{
	int spool VM_CLEAN_FD = make_file();
	struct vm_qcow2_read *reader VM_CLEAN_QCOW2_READ =
	    vm_qcow2_read_open(spool, to, MAX, err);

	assert_non_null(reader);
	if (arrive(reader, image, spool, step, UINT64_MAX, err) == -1)
		return -1;
	return vm_qcow2_read_finish(reader, chunks, err);
}

static void
expect_same(int a, int b)
{
	unsigned char *one VM_CLEAN_FREE = malloc(VM_CHUNK);
	unsigned char *other VM_CLEAN_FREE = malloc(VM_CHUNK);
	struct vm_error err = { 0 };
	size_t got = 1, too;

	assert_int_equal(size_of(a), size_of(b));
	for (uint64_t at = 0; got > 0; at += got) {
		assert_int_equal(vm_fd_pread(a, one, VM_CHUNK, at, &got, "a",
				     &err),
		    0);
		assert_int_equal(vm_fd_pread(b, other, VM_CHUNK, at, &too, "b",
				     &err),
		    0);
		assert_int_equal(got, too);
		assert_memory_equal(one, other, got);
	}
}

/* in.qcow2, given in such steps, must be want.raw, sparse, with its chunks. */
static void
expect_disk(const struct room *room, uint64_t step)
{
	int image VM_CLEAN_FD = open_file(room, "in.qcow2");
	int want VM_CLEAN_FD = open_file(room, "want.raw");
	int to VM_CLEAN_FD = make_file();
	struct vm_buf chunks VM_CLEAN_BUF = { 0 }, same VM_CLEAN_BUF = { 0 };
	struct vm_inspect inspect;
	struct vm_error err = { 0 };

	if (vm_inspect_file(image, MAX, &inspect, &err) == -1 ||
	    convert(image, step, to, &chunks, &err) == -1)
		fail_msg("%s", err.message);
	expect_same(to, want);
	assert_int_equal(vm_raw_scan(want, size_of(want), &same, &err), 0);
	assert_string_equal(chunks.data, same.data);
	assert_true(space_of(to) <= space_of(want) + ((uint64_t)1 << 20));
}

static void
test_reads_what_qemu_img_writes(void **state)
{
	static const char *const options[] = {
		"-S 64k",
		"-S 0",
		"-o cluster_size=512",
		"-o cluster_size=4k",
		"-o cluster_size=2M",
		"-o compat=0.10",
		"-o lazy_refcounts=on",
		"-o refcount_bits=1",
		"-o preallocation=metadata",
		"-o preallocation=full",
		"-W -m 8",
		"-c",
		"-c -W -m 8",
		"-c -o cluster_size=512",
		"-c -o cluster_size=4k,compat=0.10",
		"-c -o cluster_size=2M",
		"-c -o compression_type=zstd",
		"-c -o compression_type=zstd,cluster_size=512",
		"-c -o compression_type=zstd,cluster_size=2M",
	};
	const struct room *room = *state;
	char command[256];

	run(room, "cp --sparse=always disk.raw want.raw");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		snprintf(command, sizeof(command),
		    "qemu-img convert -O qcow2 %s disk.raw in.qcow2",
		    options[i]);
		run(room, command);
		expect_disk(room, 10007);
		expect_disk(room, VM_CHUNK);
	}
}

/* Clusters and tables in any order, and of every kind. */
static void
test_reads_what_was_written_piece_by_piece(void **state)
{
	static const char *const commands[] = {
		/* L1 is at the end: it was moved there when it grew. */
		"qemu-img create -q -f qcow2 -o cluster_size=512 in.qcow2 1M; "
		"qemu-io -c 'write -q 0 70k' in.qcow2; "
		"qemu-img resize -q in.qcow2 64M; "
		"qemu-io -c 'write -q -P 7 63M 1M' in.qcow2",
		/* The disk's last clusters are the file's first. */
		"qemu-img create -q -f qcow2 in.qcow2 20M; "
		"for i in 19 9 14 4 0; do "
		"qemu-io -c \"write -q -P $i ${i}M 100k\" in.qcow2; done",
		/* Compressed, plain, zeroed and dropped ones, side by side. */
		"qemu-img convert -c -O qcow2 disk.raw in.qcow2; "
		"qemu-io -c 'write -q -P 3 64k 200k' -c 'write -q -z 0 70k' "
		"-c 'discard -q 300k 64k' -c 'write -q -P 9 4M 1k' in.qcow2",
		/* It ends inside its last cluster. */
		"qemu-img create -q -f qcow2 in.qcow2 21M; "
		"qemu-io -c 'write -q -P 1 0 21M' in.qcow2; "
		"truncate -s -1000 in.qcow2",
		"qemu-img create -q -f qcow2 in.qcow2 512",
		"qemu-img create -q -f qcow2 -o cluster_size=512 in.qcow2 200M",
	};
	const struct room *room = *state;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		run(room, commands[i]);
		run(room, "qemu-img convert -O raw in.qcow2 want.raw");
		expect_disk(room, 10007);
		expect_disk(room, VM_CHUNK);
	}
}

static void
wait_for_space(int to, uint64_t bytes)
{
	uint64_t end = vm_clock_ms() + 30000;

	while (space_of(to) < bytes) {
		if (vm_clock_ms() > end)
			fail_msg("%llu bytes have not come",
			    (unsigned long long)bytes);
		sched_yield();
	}
}

static void
test_works_while_the_file_arrives(void **state)
{
	const struct room *room = *state;
	int image VM_CLEAN_FD = -1, to VM_CLEAN_FD = make_file();
	int disk VM_CLEAN_FD = open_file(room, "disk.raw");
	struct vm_buf chunks VM_CLEAN_BUF = { 0 };
	struct vm_error err = { 0 };
	struct vm_qcow2_read *reader VM_CLEAN_QCOW2_READ = NULL;
	uint64_t size;

	run(room, "qemu-img convert -O qcow2 disk.raw in.qcow2");
	image = open_file(room, "in.qcow2");
	size = size_of(image);
	reader = vm_qcow2_read_open(image, to, MAX, &err);
	assert_non_null(reader);
	assert_int_equal(vm_qcow2_read_advance(reader, size - 65536, MAX, &err),
	    0);
	wait_for_space(to, (1 << 20) + 300000);
	assert_int_equal(vm_qcow2_read_advance(reader, size, MAX, &err), 0);
	assert_int_equal(vm_qcow2_read_finish(reader, &chunks, &err), 0);
	expect_same(to, disk);
}

/* What has not arrived is never looked at. */
static void
test_waits_for_what_has_not_arrived(void **state)
{
	const struct room *room = *state;
	int image VM_CLEAN_FD = -1, to VM_CLEAN_FD = make_file();
	int spool VM_CLEAN_FD = make_file();
	unsigned char *data VM_CLEAN_FREE = NULL;
	struct vm_buf chunks VM_CLEAN_BUF = { 0 };
	struct vm_error err = { 0 };
	struct vm_qcow2_read *reader VM_CLEAN_QCOW2_READ = NULL;
	uint64_t size;
	size_t got;

	run(room, "qemu-img convert -c -O qcow2 disk.raw in.qcow2");
	image = open_file(room, "in.qcow2");
	size = size_of(image);
	data = malloc(size);
	assert_non_null(data);
	/* Garbage, which becomes the file from the front to the end. */
	memset(data, 0xff, size);
	assert_int_equal(vm_fd_pwrite(spool, data, size, 0, "spool", &err), 0);
	assert_int_equal(vm_fd_pread(image, data, size, 0, &got, "in", &err),
	    0);
	reader = vm_qcow2_read_open(spool, to, MAX, &err);
	assert_non_null(reader);
	for (uint64_t at = 0, part; at < size; at += part) {
		part = size - at < 4096 ? size - at : 4096;
		assert_int_equal(vm_fd_pwrite(spool, data + at, part, at,
				     "spool", &err),
		    0);
		assert_int_equal(vm_qcow2_read_advance(reader, at + part, MAX,
				     &err),
		    0);
	}
	assert_int_equal(vm_qcow2_read_finish(reader, &chunks, &err), 0);
	vm_clean_fd(&image);
	image = open_file(room, "disk.raw");
	expect_same(to, image);
}

/* A small file makes no more than it may, while another makes all. */
static void
test_makes_no_more_than_it_may(void **state)
{
	const uint64_t allowed = 2 * VM_CHUNK, all = 16 * VM_CHUNK;
	const struct room *room = *state;
	int image VM_CLEAN_FD = -1, to VM_CLEAN_FD = make_file();
	int other VM_CLEAN_FD = make_file();
	struct vm_buf chunks VM_CLEAN_BUF = { 0 };
	struct vm_error err = { 0 };
	struct vm_qcow2_read *reader VM_CLEAN_QCOW2_READ = NULL;

	run(room,
	    "head -c 64M /dev/zero | tr '\\0' x >x.raw; "
	    "qemu-img convert -c -O qcow2 x.raw in.qcow2");
	image = open_file(room, "in.qcow2");
	assert_true(size_of(image) < allowed);
	reader = vm_qcow2_read_open(image, to, MAX, &err);
	assert_non_null(reader);
	assert_int_equal(vm_qcow2_read_advance(reader, size_of(image),
			     allowed + 1, &err),
	    0);
	wait_for_space(to, allowed);
	assert_int_equal(convert(image, all, other, &chunks, &err), 0);
	/* The file system's own blocks count, too. */
	assert_in_range(space_of(other), all, all + 65536);
	assert_in_range(space_of(to), allowed, allowed + 65536);
	vm_buf_reset(&chunks);
	assert_int_equal(vm_qcow2_read_finish(reader, &chunks, &err), 0);
	expect_same(to, other);
}

/* What test/lib/mkqcow2.pl is told, and the code, or NULL: it can be read. */
static const struct {
	const char *args, *code;
} hostile[] = {
	{ "version=1", "format" },
	{ "backing=/etc/shadow", "backing_file" },
	{ "incompatible=4", "data_file" },
	{ "crypt=1", "encrypted" },
	{ "incompatible=0x10", "feature" },
	{ "cluster_bits=22", "bad_table" },
	{ "virtual_size=0x80000000000", "virtual_size" },
	{ "l1_size=0", "bad_table" },
	{ "l1_offset=0xffffffffffff0000", "bad_table" },
	{ "l1_offset=0x60000", "truncated" },
	{ "l1_offset=0x7fffffffffff0000", "truncated" },
	{ "l1.0=0x8000000000060000", "truncated" },
	{ "l1.0=0x80fffffffffffe00", "truncated" },
	{ "l1.0=0x8000000000030000", NULL },
	{ "l1_size=2 virtual_size=0x40000000 l1.1=0x8000000000040000", NULL },
	{ "l2.0=0x80fffffffffffe00", NULL },
	{ "l2.0=0xbfffffffffffffff", NULL },
	{ "l2.0=0x8000000000060000", NULL },
	{ "l2.1=0x8000000000050000", NULL },
	{ "l2.0=0x4000000000050000", "bad_compression" },
	{ "l2.0=0x4000000000060000", "bad_compression" },
	{ "l2.0=0x7fffffffffffffff", "bad_compression" },
	{ "l2.0=0x4000000000050000 at=0x50000:010100feff41",
	    "bad_compression" },
	{ "incompatible=8 header_length=112 at=104:01 "
	  "l2.0=0x4000000000050000",
	    "bad_compression" },
	{ "size=0", "truncated" },
	{ "size=71", "truncated" },
	{ "size=200000", "truncated" },
	{ "size=262144", "truncated" },
	{ "size=330000", NULL },
};

static void
test_survives_what_could_do_harm(void **state)
{
	const struct room *room = *state;
	char command[512];

	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		const char *want = hostile[i].code, *got;
		struct vm_buf chunks VM_CLEAN_BUF = { 0 };
		struct vm_error err = { 0 };
		int image VM_CLEAN_FD = -1, to VM_CLEAN_FD = make_file();

		snprintf(command, sizeof(command), "%s %s >in.qcow2",
		    room->mkqcow2, hostile[i].args);
		run(room, command);
		image = open_file(room, "in.qcow2");
		got = convert(image, 65536, to, &chunks, &err) == -1 ?
		    err.code :
		    NULL;
		if (want == NULL ? got != NULL :
				   got == NULL || strcmp(want, got) != 0)
			fail_msg("%s: %s %s", hostile[i].args, err.code,
			    err.message);
		assert_true(size_of(to) <= (uint64_t)1 << 30);
	}
}

static void
test_a_failed_write_is_reported(void **state)
{
	const struct room *room = *state;
	struct rlimit old, small;
	int image VM_CLEAN_FD = -1, to VM_CLEAN_FD = make_file();
	struct vm_buf chunks VM_CLEAN_BUF = { 0 };
	struct vm_error err = { 0 };
	struct vm_qcow2_read *reader VM_CLEAN_QCOW2_READ = NULL;
	int result;

	vm_proc_catch_signals();
	run(room, "qemu-img convert -O qcow2 disk.raw in.qcow2");
	image = open_file(room, "in.qcow2");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	reader = vm_qcow2_read_open(image, to, MAX, &err);
	assert_non_null(reader);
	result = vm_qcow2_read_advance(reader, size_of(image), MAX, &err);
	if (result == 0)
		result = vm_qcow2_read_finish(reader, &chunks, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(result, -1);
	assert_int_equal(err.kind, VM_E_IO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_qemu_img_writes),
		cmocka_unit_test(test_reads_what_was_written_piece_by_piece),
		cmocka_unit_test(test_works_while_the_file_arrives),
		cmocka_unit_test(test_waits_for_what_has_not_arrived),
		cmocka_unit_test(test_makes_no_more_than_it_may),
		cmocka_unit_test(test_survives_what_could_do_harm),
		cmocka_unit_test(test_a_failed_write_is_reported),
	};

	return cmocka_run_group_tests_name("qcow2_read", tests, make_room,
	    leave_room);
}
