/*
 * overlay_disk.h - a directory with an overlay in it, for each unit test.
 */
#ifndef TEST_OVERLAY_DISK_H
#define TEST_OVERLAY_DISK_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/proc.h"
#include "lib/disk/layout.h"
#include "lib/disk/overlay.h"
#include "lib/disk/qcow2.h"
#include "test/unit.h"

#define MIB ((uint64_t)1 << 20)
#define TIB ((uint64_t)1 << 40)
#define CLUSTER ((uint64_t)65536)

/* Where things are in a file of vm_qcow2_create(): one cluster each. */
#define AT_REFCOUNTS (2 * CLUSTER)
#define AT_L1 (3 * CLUSTER)

static char dir[64];
static int dir_fd = -1;

static inline int
enter(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/vmpipe-overlay-XXXXXX");
	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		return -1;
	dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd == -1 ? -1 : 0;
}

static inline void
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

static inline int
leave(void **state)
{
	(void)state;
	close(dir_fd);
	run("rm -rf \"$PWD\"");
	return chdir("/");
}

static inline void
make(const char *file, const struct vm_qcow2_options *options)
{
	VM_CLEAN_FD int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0600);
	struct vm_error err = { 0 };

	assert_int_equal(0, vm_qcow2_create(fd, options, &err));
}

/* disk.qcow2 of 1 MiB, on base.raw of text, cluster 1 of it written. */
static inline void
make_disk(void)
{
	const struct vm_qcow2_options options = { .virtual_size = MIB,
		.backing_file = "base.raw",
		.backing_format = "raw" };

	run("yes 0123456789abcde | head -c 300000 >base.raw");
	make("disk.qcow2", &options);
	run("qemu-io -f qcow2 -c 'write -P 7 64k 64k' disk.qcow2 >out");
}

static inline struct vm_overlay *
open_disk(enum vm_overlay_access access)
{
	struct vm_error err = { 0 };
	struct vm_overlay *disk = vm_overlay_open(dir_fd, "disk.qcow2", "qcow2",
	    access, &err);

	if (disk == NULL)
		fail_msg("%s: %s", err.code, err.message);
	return disk;
}

static inline void
expect_refused(const char *file, const char *format,
    enum vm_overlay_access access, enum vm_kind kind, const char *code)
{
	struct vm_error err = { 0 };

	assert_null(vm_overlay_open(dir_fd, file, format, access, &err));
	assert_string_equal(code, err.code);
	assert_int_equal(kind, err.kind);
	assert_non_null(strstr(err.message, file));
}

/* A big-endian number of 8 bytes at this offset of disk.qcow2. */
static inline uint64_t
get(uint64_t offset)
{
	VM_CLEAN_FD int fd = open("disk.qcow2", O_RDONLY | O_CLOEXEC);
	unsigned char bytes[8];

	assert_int_equal(8, pread(fd, bytes, 8, (off_t)offset));
	return vm_be64(bytes, 0);
}

static inline void
put(uint64_t offset, uint64_t number)
{
	VM_CLEAN_FD int fd = open("disk.qcow2", O_WRONLY | O_CLOEXEC);
	uint64_t bytes = htobe64(number);

	assert_int_equal(8, pwrite(fd, &bytes, 8, (off_t)offset));
}

/* The offset of the entry for cluster 1 in the first L2 table. */
static inline uint64_t
entry_1(void)
{
	return (get(AT_L1) & ~((uint64_t)1 << 63)) + 8;
}

/* The refcount of a cluster in the file. */
static inline void
put_count(uint64_t offset, uint16_t count)
{
	VM_CLEAN_FD int fd = open("disk.qcow2", O_WRONLY | O_CLOEXEC);
	uint16_t bytes = htobe16(count);

	assert_int_equal(2,
	    pwrite(fd, &bytes, 2,
		(off_t)(AT_REFCOUNTS + offset / CLUSTER * 2)));
}

static inline void
expect_found(uint64_t allocated, uint64_t leaked, uint64_t snapshots)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = open_disk(VM_OVERLAY_READ);
	struct vm_overlay_check found;
	struct vm_error err = { 0 };

	if (vm_overlay_check(disk, &found, &err) == -1)
		fail_msg("%s: %s", err.code, err.message);
	assert_int_equal(allocated, found.allocated);
	assert_int_equal(leaked, found.leaked);
	assert_int_equal(snapshots, found.snapshots);
}

#endif
