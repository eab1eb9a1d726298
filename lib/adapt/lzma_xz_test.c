#include "lib/adapt/lzma_xz.h"

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
	struct vm_xz *xz VM_CLEAN(vm_xz_clean) = vm_xz_open(test_pull, &stream,
	    err);
	const void *data;
	size_t len = 1;
	int result = 0;

	assert_non_null(stream.from);
	assert_non_null(xz);
	while (result == 0 && len > 0) {
		result = vm_xz_read(xz, &data, &len, err);
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
		"seq 100000 | xz",
		"seq 100000 | xz -T2 --block-size=50000",
		"{ seq 50000 | xz; seq 50001 100000 | xz; }",
		"seq 100000 | xz --check=none -0",
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
	check_refused("seq 100000 | xz | head -c 5000", "bad_compression");
	check_refused("seq 100000 | xz | sed 's/a/b/g'", "bad_compression");
	check_refused("{ seq 9 | xz; echo garbage; }", "bad_compression");
	check_refused("head -c 1000 /dev/zero | xz --lzma2=dict=1500MiB",
	    "bomb");
}

static void
test_knows_its_own(void **state)
{
	(void)state;
	assert_true(vm_xz_is("\xfd"
			     "7zXZ\0more",
	    10));
	assert_false(vm_xz_is("\xfd"
			      "7zXZ",
	    5));
	assert_false(vm_xz_is("\x1f\x8b\0\0\0\0", 6));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpacks),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_knows_its_own),
	};

	return cmocka_run_group_tests_name("xz", tests, NULL, NULL);
}
