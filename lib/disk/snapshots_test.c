/* snapshots_test.c - tables as QEMU writes them, and all others. */
#include "lib/disk/snapshots.h"

#include <sys/mman.h>

#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "lib/disk/qcow2.h"
#include "test/unit.h"

#define TABLE 0x80000 /* behind all that an empty overlay has */

/* A table being written, and where. */
struct table {
	int fd;
	off_t at;
};

static struct table
make(void)
{
	const struct vm_qcow2_options options = { .virtual_size = 1 << 20,
		.backing_file = "a.raw",
		.backing_format = "raw" };
	struct table table = { .fd = memfd_create("disk", MFD_CLOEXEC),
		.at = TABLE };
	struct vm_error err = { 0 };

	assert_int_equal(vm_qcow2_create(table.fd, &options, &err), 0);
	return table;
}

static void
put(int fd, off_t at, const void *data, size_t len)
{
	assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
}

static void
put_u32(int fd, off_t at, uint32_t value)
{
	value = htobe32(value);
	put(fd, at, &value, sizeof(value));
}

static void
put_u64(int fd, off_t at, uint64_t value)
{
	value = htobe64(value);
	put(fd, at, &value, sizeof(value));
}

static void
point(const struct table *table, uint32_t count, uint64_t offset)
{
	put_u32(table->fd, 60, count);
	put_u64(table->fd, 64, offset);
}

/* One entry, with `extra` bytes of extra data. */
static void
add(struct table *table, const char *id, const char *name, size_t name_len,
    uint32_t extra)
{
	int fd = table->fd;
	off_t at = table->at;

	put_u64(fd, at, 0x10000);
	put_u32(fd, at + 8, 1);
	put_u32(fd, at + 12, (uint32_t)(strlen(id) << 16 | name_len));
	put_u32(fd, at + 16, 1795398219);
	put_u32(fd, at + 32, 7);
	put_u32(fd, at + 36, extra);
	at += 40;
	if (extra >= 8)
		put_u64(fd, at, (uint64_t)5 << 32);
	if (extra >= 16)
		put_u64(fd, at + 8, 2 << 20);
	at += extra;
	put(fd, at, id, strlen(id));
	put(fd, at + (off_t)strlen(id), name, name_len);
	at += (off_t)(strlen(id) + name_len);
	table->at = (at + 7) & ~(off_t)7;
	assert_int_equal(ftruncate(fd, table->at), 0);
}

static void
is_refused(const struct table *table, const char *code, const char *message)
{
	struct vm_snapshots snapshots = { 0 };
	struct vm_error err = { 0 };

	assert_int_equal(vm_snapshots_read(table->fd, &snapshots, &err), -1);
	assert_int_equal(err.kind, VM_E_DATA);
	assert_string_equal(err.code, code);
	assert_string_equal(err.message, message);
	assert_null(snapshots.items);
}

static void
test_none(void **state)
{
	struct table table = make();
	struct vm_snapshots snapshots = { 0 };
	struct vm_error err = { 0 };
	size_t count = 9;

	(void)state;
	assert_int_equal(vm_snapshots_read(table.fd, &snapshots, &err), 0);
	assert_int_equal(snapshots.count, 0);
	assert_int_equal(vm_snapshots_count(table.fd, &count, &err), 0);
	assert_int_equal(count, 0);
	close(table.fd);
}

static void
test_entries(void **state)
{
	struct table table = make();
	VM_CLEAN_SNAPSHOTS struct vm_snapshots snapshots = { 0 };
	struct vm_error err = { 0 };
	size_t count;

	(void)state;
	add(&table, "1", "before", 6, 24);
	add(&table, "2", "old", 3, 0);
	add(&table, "17", "\xc3\xa4", 2, 1024);
	point(&table, 3, TABLE);
	assert_int_equal(vm_snapshots_count(table.fd, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_int_equal(vm_snapshots_read(table.fd, &snapshots, &err), 0);
	assert_int_equal(snapshots.count, 3);
	assert_string_equal(snapshots.items[0].id, "1");
	assert_string_equal(snapshots.items[0].name, "before");
	assert_int_equal(snapshots.items[0].created_s, 1795398219);
	assert_true(snapshots.items[0].state_bytes == (uint64_t)5 << 32);
	assert_int_equal(snapshots.items[0].virtual_size, 2 << 20);
	/* what an old entry lacks is in the entry itself, or the header */
	assert_int_equal(snapshots.items[1].state_bytes, 7);
	assert_int_equal(snapshots.items[1].virtual_size, 1 << 20);
	assert_string_equal(snapshots.items[2].id, "17");
	assert_ptr_equal(vm_snapshots_find(&snapshots, "old"),
	    &snapshots.items[1]);
	assert_null(vm_snapshots_find(&snapshots, "1"));
	close(table.fd);
}

static void
test_hostile(void **state)
{
	static char long_name[300];
	struct table table = make();

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	add(&table, "1", "fine", 4, 24);
	point(&table, 1, TABLE + 8);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: out of place");
	point(&table, 1, 0);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: out of place");
	point(&table, 65537, TABLE);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: out of place");
	point(&table, 65536, TABLE);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: goes beyond the file's end");
	point(&table, 2, TABLE);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: goes beyond the file's end");
	point(&table, 1, (uint64_t)1 << 62);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: goes beyond the file's end");
	point(&table, 1, TABLE);
	put_u32(table.fd, TABLE + 36, 1032);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: too much extra data");
	put_u32(table.fd, TABLE + 36, 1024);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: goes beyond the file's end");
	table.at = TABLE;
	add(&table, "1", "a\0b", 3, 16);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: a name that is no text");
	table.at = TABLE;
	add(&table, "1", "a\x1b[2J", 5, 16);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: a name that is no text");
	table.at = TABLE;
	add(&table, "1", "\xff", 1, 16);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: a name that is no text");
	table.at = TABLE;
	add(&table, "1", long_name, sizeof(long_name), 16);
	is_refused(&table, "bad_snapshots",
	    "qcow2: snapshot table: a name is too long");
	put_u32(table.fd, 0, 0);
	is_refused(&table, "not_qcow2", "not a qcow2 file");
	close(table.fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_hostile),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
