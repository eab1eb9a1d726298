#include "lib/adapt/inflate_gzip.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "test/pull.h"
#include "test/unit.h"

static int
unpack(const char *command, size_t piece, struct vm_buf *out,
    struct vm_error *err)
{
	struct test_stream stream = { .piece = piece,
		.from = popen(command, "r") };
	struct vm_gzip *gzip VM_CLEAN(vm_gzip_clean) = vm_gzip_open(test_pull,
	    &stream, err);
	const void *data;
	size_t len = 1;
	int result = 0;

	assert_non_null(stream.from);
	assert_non_null(gzip);
	while (result == 0 && len > 0) {
		result = vm_gzip_read(gzip, &data, &len, err);
		if (result == 0)
			result = vm_buf_add(out, data, len, err);
	}
	pclose(stream.from);
	return result;
}

static void
test_unpacks(void **state)
{
	static const char *const commands[] = {
		"seq 100000 | gzip",
		"seq 100000 | gzip -1; head -c 512 /dev/zero",
		"{ seq 50000 | gzip; seq 50001 100000 | gzip -n9; }",
		"seq 100000 >n; gzip -c n; rm n",
	};
	struct vm_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct vm_buf out VM_CLEAN_BUF = { 0 };

		if (unpack(commands[i], 1 + i * 9973, &out, &err) == -1)
			fail_msg("%s: %s", commands[i], err.message);
		assert_int_equal(out.len, 588895);
		assert_string_equal(out.data + out.len - 7, "100000\n");
	}
}

static void
check_refused(const char *command, const char *code)
{
	struct vm_buf out VM_CLEAN_BUF = { 0 };
	struct vm_error err = { 0 };

	if (unpack(command, 4096, &out, &err) != -1 || err.kind != VM_E_DATA ||
	    strcmp(err.code, code) != 0)
		fail_msg("%s: not %s but %s: %s", command, code, err.code,
		    err.message);
}

static void
test_refuses(void **state)
{
	(void)state;
	check_refused("seq 100000 | gzip | head -c 5000", "bad_compression");
	check_refused("seq 100000 | gzip | head -c -1", "bad_compression");
	check_refused("seq 100000 | gzip | head -c -8", "bad_compression");
	check_refused("seq 9 | gzip; echo garbage", "bad_compression");
	/* the CRC, the length, and data that only the CRC tells from good */
	check_refused("{ seq 9 | gzip | head -c -8; "
		      "printf '\\1\\2\\3\\4\\22\\0\\0\\0'; }",
	    "bad_compression");
	check_refused("{ seq 9 | gzip | head -c -4; printf '\\7\\0\\0\\0'; }",
	    "bad_compression");
	check_refused("head -c 5000 /dev/urandom >r; gzip -c r | "
		      "perl -0pe 'substr($_, 900, 1) ^= \"\\1\"'; rm r",
	    "bad_compression");
}

static void
test_knows_its_own(void **state)
{
	(void)state;
	assert_true(vm_gzip_is("\x1f\x8b\x08more", 7));
	assert_false(vm_gzip_is("\x1f\x8b", 2));
	assert_false(vm_gzip_is("\x1f\x9d\x90", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpacks),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_knows_its_own),
	};

	return cmocka_run_group_tests_name("gzip", tests, NULL, NULL);
}
