#include "test/unit.h"

#include <sys/mman.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/record/input.h"

/* A store in which every name but "absent" is there. */
static struct vm_json *
resolve(void *context, const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_record_new("vm", err);

	(void)context;
	if (strcmp(name, "absent") == 0) {
		vm_error_set(err, VM_E_NO_INPUT, "vm_not_found",
		    "absent: no such VM");
		return NULL;
	}
	if (vm_json_set_string(record, "name", name, err) == -1)
		return NULL;
	return VM_TAKE(record);
}

/* Read these bytes as stdin. */
static int
feed(const char *text, size_t len, bool allow_empty, struct vm_records *records,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = memfd_create("in", MFD_CLOEXEC);
	struct vm_input input = {
		.fd = fd, .allow_empty = allow_empty, .resolve = resolve
	};

	assert_int_equal(write(fd, text, len), (ssize_t)len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return vm_input_read(&input, "vmtest", records, err);
}

static const char *
name_of(const struct vm_records *records, size_t i)
{
	return vm_json_string(records->items[i], "name", "");
}

static const char *
message_of(const struct vm_records *records, size_t i)
{
	assert_true(vm_record_is_failed(records->items[i]));
	assert_string_equal(vm_json_string(records->items[i], "error.tool", ""),
	    "vmtest");
	return vm_json_string(records->items[i], "error.message", "");
}

static void
test_classify(void **state)
{
	(void)state;
	assert_int_equal(vm_input_classify("https://a/b.yaml"), VM_OPERAND_URL);
	assert_int_equal(vm_input_classify("./debian"), VM_OPERAND_PATH);
	assert_int_equal(vm_input_classify("x/shop.yaml"), VM_OPERAND_MANIFEST);
	assert_int_equal(vm_input_classify("shop.yml"), VM_OPERAND_MANIFEST);
	assert_int_equal(vm_input_classify("-"), VM_OPERAND_MANIFEST);
	assert_int_equal(vm_input_classify("debian-12@3"), VM_OPERAND_NAME);
}

static void
test_lines(void **state)
{
	static const char text[] =
	    "\n  web-1 \r\n"
	    "{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"b\",\"x\":[1]}\n"
	    "\n"
	    "{\"vmpipe\":1,\"kind\":\"vm\",\"state\":\"failed\"}\n"
	    "last";
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(feed(text, sizeof(text) - 1, false, &records, &err),
	    0);
	assert_int_equal(records.count, 4);
	assert_string_equal(name_of(&records, 0), "web-1");
	assert_string_equal(name_of(&records, 1), "b");
	assert_int_equal(vm_json_int(records.items[1], "x.0", 0), 1);
	assert_true(vm_record_is_failed(records.items[2]));
	assert_null(vm_json_get(records.items[2], "error"));
	assert_string_equal(name_of(&records, 3), "last");
}

/* Each bad line fails in its place and the others go on. */
static void
test_bad_lines(void **state)
{
	static const char text[] =
	    "{\"vmpipe\":1,\"kind\":\n"
	    "good\n"
	    "../etc\n"
	    "absent\n"
	    "{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"\xff\"}\n"
	    "a\0b\n"
	    "{\"vmpipe\":2,\"kind\":\"vm\",\"name\":\"a\"}\n";
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(feed(text, sizeof(text) - 1, false, &records, &err),
	    0);
	assert_int_equal(records.count, 7);
	assert_memory_equal(message_of(&records, 0), "standard input:1: ", 18);
	assert_string_equal(name_of(&records, 1), "good");
	assert_memory_equal(message_of(&records, 2), "standard input:3: ", 18);
	assert_null(vm_json_get(records.items[2], "name"));
	assert_string_equal(message_of(&records, 3), "absent: no such VM");
	assert_string_equal(name_of(&records, 3), "absent");
	assert_int_equal(vm_json_int(records.items[3], "error.status", 0), 66);
	assert_memory_equal(message_of(&records, 4), "standard input:5: ", 18);
	assert_non_null(strstr(message_of(&records, 5), "NUL"));
	assert_int_equal(vm_json_int(records.items[6], "error.status", 0), 78);
	for (size_t i = 0; i < records.count; i++)
		assert_int_equal(vm_record_check(records.items[i], &err), 0);
}

/* A record of exactly the limit passes, one byte more does not. */
static void
test_limit(void **state)
{
	static const char head[] = "{\"vmpipe\":1,\"kind\":\"vm\","
				   "\"name\":\"a\",\"x\":\"";
	size_t size = VM_RECORD_MAX + 16;
	VM_CLEAN_FREE char *text = malloc(size);
	struct vm_error err = { 0 };

	(void)state;
	assert_non_null(text);
	for (size_t over = 0; over < 2; over++) {
		VM_CLEAN_RECORDS struct vm_records records = { 0 };
		size_t len = VM_RECORD_MAX + over;

		memset(text, 'x', size);
		memcpy(text, head, sizeof(head) - 1);
		memcpy(text + len - 2, "\"}\nnext\n", 8);
		assert_int_equal(feed(text, len + 6, false, &records, &err), 0);
		assert_int_equal(records.count, 2);
		assert_int_equal(vm_record_is_failed(records.items[0]), over);
		assert_string_equal(name_of(&records, 1), "next");
	}
}

/* Much too long: it is not kept in memory, and comes as one failure. */
static void
test_huge_line(void **state)
{
	size_t size = (size_t)20 << 20;
	VM_CLEAN_FREE char *text = malloc(size);
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, '{', size);
	assert_int_equal(feed(text, size, false, &records, &err), 0);
	assert_int_equal(records.count, 1);
	assert_string_equal(message_of(&records, 0),
	    "standard input:1: longer than 1048576 bytes");
}

static void
test_empty(void **state)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(feed("\n \n", 3, false, &records, &err), -1);
	assert_int_equal(err.kind, VM_E_NO_INPUT);
	assert_string_equal(err.code, "no_input");
	assert_int_equal(feed("", 0, true, &records, &err), 0);
	assert_int_equal(records.count, 0);
}

static void
test_operands(void **state)
{
	char good[] = "web-1", bad[] = "-rf";
	char *operands[] = { good, bad };
	struct vm_input input = { .fd = -1,
		.operands = operands,
		.operand_count = 2,
		.resolve = resolve };
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(vm_input_read(&input, "vmtest", &records, &err), 0);
	assert_int_equal(records.count, 2);
	assert_string_equal(name_of(&records, 0), "web-1");
	assert_non_null(strstr(message_of(&records, 1), "\"-rf\" is no name"));
}

static void
test_names_refused(void **state)
{
	char name[] = "web-1";
	char *operands[] = { name };
	struct vm_input input = {
		.fd = -1, .operands = operands, .operand_count = 1
	};
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(vm_input_read(&input, "vmtest", &records, &err), 0);
	assert_int_equal(vm_json_int(records.items[0], "error.status", 0), 65);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classify),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_huge_line),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_names_refused),
	};

	return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
