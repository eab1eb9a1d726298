#include "lib/adapt/archive.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "test/pull.h"
#include "test/unit.h"

static int
unpack(struct test_stream *stream, const char *command, struct vm_buf *out,
    struct vm_error *err)
{
	struct vm_archive *archive VM_CLEAN_ARCHIVE = NULL;
	const void *data;
	size_t len;
	int result;

	stream->from = popen(command, "r");
	assert_non_null(stream->from);
	archive = vm_archive_open(test_pull, stream, err);
	result = archive == NULL ? -1 : 0;
	while (result == 0) {
		result = vm_archive_read(archive, &data, &len, err);
		if (result == 0 && len == 0)
			break;
		if (result == 0)
			result = vm_buf_add(out, data, len, err);
	}
	pclose(stream->from);
	return result;
}

static void
test_each_compression_and_none(void **state)
{
	static const char *const programs[] = { "gzip", "xz", "zstd -q",
		"bzip2", "lz4", "xz -T2 --block-size=100000", "cat" };
	struct vm_error err = { 0 };
	char command[128];

	(void)state;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct vm_buf out VM_CLEAN_BUF = { 0 };
		struct test_stream stream = { .piece = 1 + i * 600 };

		snprintf(command, sizeof(command), "seq 100000 | %s",
		    programs[i]);
		if (unpack(&stream, command, &out, &err) == -1)
			fail_msg("%s: %s", programs[i], err.message);
		assert_int_equal(out.len, 588895);
		assert_string_equal(out.data + out.len - 7, "100000\n");
	}
}

static void
check_refused(const char *command, const char *code)
{
	struct vm_error err = { 0 };
	struct vm_buf out VM_CLEAN_BUF = { 0 };
	struct test_stream stream = { .piece = 4096 };

	if (unpack(&stream, command, &out, &err) != -1 ||
	    strcmp(err.code, code) != 0 || err.kind != VM_E_DATA)
		fail_msg("%s: not %s but %s: %s", command, code, err.code,
		    err.message);
}

static void
test_refuses_damage_and_nesting(void **state)
{
	(void)state;
	check_refused("true", "truncated");
	check_refused("gzip </dev/null", "truncated");
	check_refused("seq 100000 | gzip | gzip", "bomb");
	check_refused("seq 100000 | xz | zstd -q", "bomb");
	check_refused("seq 100000 | gzip | head -c 50000", "bad_compression");
	check_refused("seq 100000 | xz | head -c 5000", "bad_compression");
	check_refused("seq 100000 | zstd -q | head -c 50000",
	    "bad_compression");
	check_refused("seq 100000 | bzip2 | head -c 50000", "bad_compression");
	check_refused("seq 100000 | lz4 | head -c 50000", "bad_compression");
	check_refused("seq 100000 | lz4 | gzip", "bomb");
	check_refused("seq 100000 | xz | sed 's/a/b/g'", "bad_compression");
}

static void
test_the_feeders_failure_is_kept(void **state)
{
	struct vm_error err = { 0 };
	struct vm_buf out VM_CLEAN_BUF = { 0 };
	struct test_stream stream = { .piece = 100, .fail_after = 50 };

	(void)state;
	assert_int_equal(unpack(&stream, "seq 100000 | gzip", &out, &err), -1);
	assert_string_equal(err.code, "gone");
	assert_int_equal(err.kind, VM_E_UNAVAILABLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_compression_and_none),
		cmocka_unit_test(test_refuses_damage_and_nesting),
		cmocka_unit_test(test_the_feeders_failure_is_kept),
	};

	return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
