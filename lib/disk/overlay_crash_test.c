/*
 * The power goes while an overlay is written.
 *
 * pwrite() and fsync() are ours here: what is written to the disk's file, and
 * when it is synced, is noted.  Then the file is made as it may be after a
 * power cut between any two syncs: all that was synced is there, of what came
 * later everything up to some call, or some calls, or some sectors.  Our check
 * must find it sound, and each byte must be what it was at the last flush, or
 * what has been written there since.
 */
#include "lib/disk/overlay.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/base/fd.h"
#include "test/overlay_disk.h"

#define KIB ((uint64_t)1 << 10)
#define SECTOR 512
#define ACTS 2000
#define OPS 18
#define MODE_ALL 18 /* the last of them: nothing is lost */

/* A call; bytes is NULL for a sync. */
struct act {
	uint64_t offset;
	size_t len;
	unsigned char *bytes;
};

static bool is_recording;
static struct act acts[ACTS];
static size_t act_count;

/* The disk before the first write and after each; and the calls until then. */
static unsigned char *models[OPS + 1];
static size_t began[OPS + 1];	/* when the write to this model began */
static size_t flushed[OPS + 1]; /* when it had been flushed; 0: never */

static uint64_t seed = 1;

static uint64_t
choose(uint64_t limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % limit;
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
	if (is_recording) {
		struct act *act = &acts[act_count++];

		assert_true(act_count < ACTS);
		act->offset = (uint64_t)offset;
		act->len = len;
		act->bytes = malloc(len);
		memcpy(act->bytes, data, len);
	}
	return syscall(SYS_pwrite64, fd, data, len, offset);
}

int
fsync(int fd)
{
	(void)fd;
	assert_true(act_count < ACTS);
	if (is_recording)
		acts[act_count++].bytes = NULL;
	return 0;
}

/* --- a disk --------------------------------------------------------------- */

static int
begin(void **state)
{
	if (enter(state) == -1)
		return -1;
	run("head -c 150000 /dev/urandom >base.raw");
	return 0;
}

static int
end(void **state)
{
	for (size_t i = 0; i < act_count; i++)
		free(acts[i].bytes);
	memset(acts, 0, sizeof(acts));
	act_count = 0;
	for (size_t i = 0; i <= OPS; i++)
		free(models[i]);
	memset(models, 0, sizeof(models));
	memset(flushed, 0, sizeof(flushed));
	return leave(state);
}

static struct vm_overlay *
open_fd(int fd, enum vm_overlay_access access)
{
	struct vm_error err = { 0 };
	struct vm_overlay *disk = vm_overlay_open_fd(fd, dir_fd, "qcow2",
	    access, &err);

	if (disk == NULL)
		fail_msg("%s: %s", err.code, err.message);
	return disk;
}

static unsigned char *
read_all(struct vm_overlay *disk)
{
	unsigned char *bytes = malloc(vm_overlay_size(disk));
	struct vm_error err = { 0 };

	if (vm_overlay_read(disk, bytes, vm_overlay_size(disk), 0, &err) == -1)
		fail_msg("%s: %s", err.code, err.message);
	return bytes;
}

/* Write at random, with a flush now and then and at the end. */
static void
record(int fd)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = open_fd(fd,
	    VM_OVERLAY_WRITE);
	uint64_t size = vm_overlay_size(disk);
	struct vm_error err = { 0 };

	models[0] = read_all(disk);
	flushed[0] = 1;
	is_recording = true;
	for (size_t i = 1; i <= OPS; i++) {
		uint64_t offset = choose(size);
		uint64_t len = 1 + choose(choose(2) ? 3000 : 40000);

		if (len > size - offset)
			len = size - offset;
		models[i] = malloc(size);
		memcpy(models[i], models[i - 1], size);
		for (uint64_t k = 0; k < len; k++)
			models[i][offset + k] = (unsigned char)choose(256);
		began[i] = act_count;
		assert_int_equal(0,
		    vm_overlay_write(disk, models[i] + offset, len, offset,
			&err));
		if (i % 4 == 0 || i == OPS) {
			assert_int_equal(0, vm_overlay_flush(disk, &err));
			flushed[i] = act_count;
		}
	}
	is_recording = false;
}

/* --- after the power cut -------------------------------------------------- */

/* When the power goes: what the disk had been told to make last by then. */
struct cut {
	size_t count;  /* the calls that had been made */
	size_t synced; /* the last one that must be there */
	size_t until;  /* nothing is there from this call on */
	unsigned mode;
};

/* Is a sector of the i-th call lost? */
static bool
is_lost(const struct cut *cut, size_t i, bool of_call)
{
	if (i < cut->synced)
		return false;
	if (i >= cut->until)
		return true;
	switch (cut->mode % 3) {
	case 0:
		return false; /* only what came late is, as by a kill */
	case 1:
		return of_call;
	default:
		return choose(2) == 0;
	}
}

/* The file as it may be then. */
static void
replay(int fd, const struct cut *cut)
{
	for (size_t i = 0; i < cut->count; i++) {
		const struct act *act = &acts[i];
		bool of_call = choose(2) == 0;

		for (size_t at = 0, part; act->bytes != NULL && at < act->len;
		     at += part) {
			part = SECTOR - (act->offset + at) % SECTOR;
			if (part > act->len - at)
				part = act->len - at;
			if (!is_lost(cut, i, of_call))
				assert_int_equal(part,
				    pwrite(fd, act->bytes + at, part,
					(off_t)(act->offset + at)));
		}
	}
}

static void
expect_bytes(const unsigned char *bytes, uint64_t size, size_t count)
{
	size_t oldest = 0, newest = 0, k;

	for (size_t i = 0; i <= OPS; i++) {
		if (flushed[i] != 0 && flushed[i] <= count)
			oldest = i;
		if (began[i] <= count)
			newest = i;
	}
	for (uint64_t at = 0; at < size; at++) {
		for (k = oldest; k <= newest; k++)
			if (bytes[at] == models[k][at])
				break;
		if (k > newest)
			fail_msg("after %zu of %zu calls: byte %llu is %02x",
			    count, act_count, (unsigned long long)at,
			    bytes[at]);
	}
}

static void
expect_sound(int fd, const struct cut *cut)
{
	VM_CLEAN_OVERLAY struct vm_overlay *disk = open_fd(fd, VM_OVERLAY_READ);
	VM_CLEAN_FREE unsigned char *bytes = NULL;
	struct vm_overlay_check found;
	struct vm_error err = { 0 };

	if (vm_overlay_check(disk, &found, &err) == -1)
		fail_msg("after %zu of %zu calls, mode %u: %s: %s", cut->count,
		    act_count, cut->mode, err.code, err.message);
	bytes = read_all(disk);
	expect_bytes(bytes, vm_overlay_size(disk), cut->count);
	if (cut->count == act_count && cut->mode == MODE_ALL)
		assert_int_equal(0, found.leaked);
}

static void
copy(int from, int to)
{
	VM_CLEAN_FREE unsigned char *bytes = malloc(16 * MIB);
	struct vm_error err = { 0 };
	size_t got;

	assert_int_equal(0,
	    vm_fd_pread(from, bytes, 16 * MIB, 0, &got, "disk", &err));
	assert_int_equal(0, ftruncate(to, (off_t)got));
	for (size_t at = 0, part; at < got; at += part) {
		part = got - at < 4096 ? got - at : 4096;
		for (size_t i = 0; i < part; i++)
			if (bytes[at + i] != 0) {
				assert_int_equal(part,
				    pwrite(to, bytes + at, part, (off_t)at));
				break;
			}
	}
}

/* At any call since the last sync, losing any of what came after it. */
static void
cut_before(int before, size_t count, size_t synced)
{
	for (unsigned mode = 0; mode <= MODE_ALL; mode++) {
		VM_CLEAN_FD int fd = memfd_create("cut", MFD_CLOEXEC);
		struct cut cut = { .count = count,
			.synced = synced,
			.until = count,
			.mode = mode };

		if (mode % 3 == 0 && mode != MODE_ALL)
			cut.until = synced + choose(count - synced);
		copy(before, fd);
		replay(fd, &cut);
		expect_sound(fd, &cut);
	}
}

static void
sweep(void)
{
	VM_CLEAN_FD int before = open("disk.qcow2", O_RDONLY | O_CLOEXEC);
	VM_CLEAN_FD int disk = memfd_create("disk", MFD_CLOEXEC);

	copy(before, disk);
	record(disk);
	assert_true(act_count > 20);
	for (size_t count = 1, synced = 0; count <= act_count; count++) {
		if (count < act_count && acts[count].bytes != NULL)
			continue;
		cut_before(before, count, synced);
		synced = count;
	}
}

static bool
has_written(uint64_t offset)
{
	for (size_t i = 0; i < act_count; i++)
		if (acts[i].bytes != NULL && acts[i].offset == offset)
			return true;
	return false;
}

static void
make_on_base(struct vm_qcow2_options options)
{
	options.backing_file = "base.raw";
	options.backing_format = "raw";
	make("disk.qcow2", &options);
}

/* --- disks of all kinds --------------------------------------------------- */

static void
test_small_clusters(void **state)
{
	(void)state;
	make_on_base((struct vm_qcow2_options){
	    .virtual_size = 200 * KIB, .cluster_bits = 9 });
	sweep();
}

/* One more refcount block, which counts itself. */
static void
test_block_added(void **state)
{
	(void)state;
	make_on_base((struct vm_qcow2_options){
	    .virtual_size = 200 * KIB, .cluster_bits = 9 });
	run("truncate -s 125000 disk.qcow2");
	sweep();
	assert_true(has_written(512 + 8)); /* its place in the table */
}

static void
test_extended(void **state)
{
	(void)state;
	make_on_base((struct vm_qcow2_options){ .virtual_size = 200 * KIB,
	    .cluster_bits = 14,
	    .extended_l2 = true });
	sweep();
}

/* Compressed clusters, and such as are zero, are replaced and used again. */
static void
test_replaced(void **state)
{
	(void)state;
	make_on_base((struct vm_qcow2_options){
	    .virtual_size = 200 * KIB, .cluster_bits = 12 });
	run("qemu-io -f qcow2 -c 'write -c 0 100k' -c 'write 100k 50k' "
	    "-c 'write -z 100k 50k' disk.qcow2 >out");
	sweep();
}

/* Tables that are not marked as the disk's own are replaced by copies. */
static void
test_shared_tables(void **state)
{
	VM_CLEAN_FD int fd = -1;
	const uint64_t at_l1 = 3 * 4096;
	unsigned char byte;

	(void)state;
	make_on_base((struct vm_qcow2_options){
	    .virtual_size = 3 * MIB, .cluster_bits = 12 });
	run("qemu-io -f qcow2 -c 'write -P 7 0 3M' disk.qcow2 >out");
	fd = open("disk.qcow2", O_RDWR | O_CLOEXEC);
	assert_int_equal(1, pread(fd, &byte, 1, at_l1 + 8));
	assert_int_equal(0x80, byte);
	byte = 0;
	assert_int_equal(1, pwrite(fd, &byte, 1, at_l1 + 8));
	sweep();
}

/* The file is so long that new refcount blocks find no place in their table. */
static void
test_table_moves(void **state)
{
	(void)state;
	make_on_base((struct vm_qcow2_options){
	    .virtual_size = 200 * KIB, .cluster_bits = 9 });
	run("truncate -s 8380000 disk.qcow2");
	sweep();
	assert_true(has_written(48)); /* the table's place, in the header */
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_small_clusters),
		TEST(test_block_added),
		TEST(test_extended),
		TEST(test_replaced),
		TEST(test_shared_tables),
		TEST(test_table_moves),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
