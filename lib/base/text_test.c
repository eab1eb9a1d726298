/* buf, size and log: text in, text out. */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "test/unit.h"

static void
test_buf(void **state)
{
	VM_CLEAN_BUF struct vm_buf buf = { .max = 10 };
	struct vm_error err = { 0 };
	char *text;

	(void)state;
	assert_int_equal(0, vm_buf_add_string(&buf, "hello", &err));
	assert_int_equal(0, vm_buf_format(&buf, &err, "%d", 12345));
	assert_string_equal("hello12345", buf.data);
	assert_int_equal(-1, vm_buf_add(&buf, "x", 1, &err));
	assert_string_equal("too_large", err.code);
	assert_string_equal("hello12345", buf.data);
	assert_int_equal(-1, vm_buf_reserve(&buf, SIZE_MAX, &err));
	vm_buf_consume(&buf, 5);
	assert_string_equal("12345", buf.data);
	text = vm_buf_take(&buf, &err);
	assert_string_equal("12345", text);
	free(text);
	text = vm_buf_take(&buf, &err);
	assert_string_equal("", text);
	free(text);
}

static void
test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = { { "0", 0 }, { "512", 512 }, { "10G", 10ULL << 30 },
		{ "64KiB", 65536 }, { "64k", 65536 }, { "1p", 1ULL << 50 },
		{ "16383P", 16383ULL << 50 } };
	static const char *const bad[] = { "", "G", "10x", "10kB", "-1", "1.5G",
		"10GB", "16384P", "99999999999999999999", "1 G", "0x10",
		"10G " };
	struct vm_error err = { 0 };
	char out[VM_SIZE_TEXT];
	uint64_t bytes;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(0, vm_size_parse(good[i].text, &bytes, &err));
		assert_true(bytes == good[i].bytes);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bytes = 42;
		assert_int_equal(-1, vm_size_parse(bad[i], &bytes, &err));
		assert_string_equal("bad_size", err.code);
		assert_true(bytes == 42);
	}
	assert_string_equal("1023", vm_size_format(1023, false, out));
	assert_string_equal("1K", vm_size_format(1024, false, out));
	assert_string_equal("1.5G", vm_size_format(3ULL << 29, false, out));
	assert_string_equal("16E", vm_size_format(UINT64_MAX, false, out));
	assert_string_equal("1536", vm_size_format(1536, true, out));
}

static void
test_durations(void **state)
{
	static const char *const bad[] = { "", "s", "1x", "1m30", "-1s",
		"99999999999999999d", "1 s" };
	struct vm_error err = { 0 };
	uint64_t ms;
	size_t i;

	(void)state;
	assert_int_equal(0, vm_size_parse_duration("1m30s", &ms, &err));
	assert_true(ms == 90000);
	assert_int_equal(0, vm_size_parse_duration("5", &ms, &err));
	assert_true(ms == 5000);
	assert_int_equal(0, vm_size_parse_duration("250ms", &ms, &err));
	assert_true(ms == 250);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(-1, vm_size_parse_duration(bad[i], &ms, &err));
	assert_int_equal(-1,
	    vm_size_parse_number("65536", 1, 65535, &ms, &err));
	assert_int_equal(0, vm_size_parse_number("65535", 1, 65535, &ms, &err));
	assert_true(ms == 65535);
}

static void
test_escape(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = { { "plain", "plain" }, { "a\nb\tc\r", "a\\nb\\tc\\r" },
		{ "\x1b[31mred", "\\x1b[31mred" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" }, { "\xff\xfe", "\\xff\\xfe" },
		{ "\xc0\xaf", "\\xc0\\xaf" },
		{ "a\xe2\x80\xae"
		  "b",
		    "a\\u{202E}b" },
		{ "\xc2\x9b", "\\u{009B}" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
		{ "\xe2\x82", "\\xe2\\x82" } };
	char out[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(rows[i].out,
		    vm_log_escape(rows[i].in, out, sizeof(out)));
	/* never half an escape */
	assert_string_equal("ab", vm_log_escape("ab\x1b", out, 6));
	assert_string_equal("ab\\x1b", vm_log_escape("ab\x1b", out, 7));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
