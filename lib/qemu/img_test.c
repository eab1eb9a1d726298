#include "lib/qemu/img.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/qemu/img_flatten.h"
#include "test/unit.h"

#define SIZE ((uint64_t)1 << 20)

struct room {
	char path[32];
	int fd;
};

/* A directory with in.qcow2 and an empty out.raw; PATH begins with it. */
static int
enter(void **state)
{
	struct room *room = calloc(1, sizeof(*room));
	char command[256], path[4096];

	strcpy(room->path, "/tmp/vmpipe-test.XXXXXX");
	assert_non_null(mkdtemp(room->path));
	snprintf(command, sizeof(command),
	    "test/lib/mkqcow2.pl "
	    ">%s/in.qcow2 && truncate -s 1M %s/out.raw",
	    room->path, room->path);
	assert_int_equal(system(command), 0);
	room->fd = open(room->path, O_DIRECTORY | O_CLOEXEC);
	assert_true(room->fd >= 0);
	snprintf(path, sizeof(path), "%s:%s", room->path, getenv("PATH"));
	setenv("REAL_PATH", getenv("PATH"), 1);
	setenv("PATH", path, 1);
	*state = room;
	return 0;
}

static int
leave(void **state)
{
	struct room *room = *state;
	char command[64];

	setenv("PATH", getenv("REAL_PATH"), 1);
	close(room->fd);
	snprintf(command, sizeof(command), "rm -rf %s", room->path);
	assert_int_equal(system(command), 0);
	free(room);
	return 0;
}

static int
convert(const struct room *room, uint64_t timeout_ms, struct vm_error *err)
{
	const struct vm_img_convert work = { .dir_fd = room->fd,
		.from = "in.qcow2",
		.driver = "qcow2",
		.to = "out.raw",
		.virtual_size = SIZE,
		.timeout_ms = timeout_ms };

	return vm_img_convert_raw(&work, err);
}

/* A program of ours instead of qemu-img, where the sandbox lets it run. */
static void
put_fake(const struct room *room, const char *script)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/qemu-img", room->path);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", script);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
}

static void
test_converts(void **state)
{
	const struct room *room = *state;
	struct vm_error err = { 0 };
	struct vm_buf raw VM_CLEAN_BUF = { 0 };
	struct stat st;

	if (convert(room, 0, &err) == -1)
		fail_msg("%s", err.message);
	assert_int_equal(vm_fd_read_file(room->fd, "out.raw", SIZE, &raw, &err),
	    0);
	assert_int_equal(raw.len, SIZE);
	assert_memory_equal(raw.data, "datadata", 8);
	assert_memory_equal(raw.data + 65532, "data\0\0\0\0", 8);
	assert_int_equal(fstatat(room->fd, "out.raw", &st, 0), 0);
	assert_int_equal(st.st_blocks * 512, 65536);
}

/* The second wall: what inspection would have refused finds nothing to open. */
static void
test_a_backing_file_stays_closed(void **state)
{
	const struct room *room = *state;
	struct vm_error err = { 0 };
	char command[256];

	snprintf(command, sizeof(command),
	    "cp %s/in.qcow2 %s/base; "
	    "test/lib/mkqcow2.pl backing=base >%s/in.qcow2",
	    room->path, room->path, room->path);
	assert_int_equal(system(command), 0);
	assert_int_equal(convert(room, 0, &err), -1);
	assert_string_equal(err.code, "qemu_img");
	assert_non_null(strstr(err.message, "ermission denied"));
}

static void
test_a_program_that_is_not_there(void **state)
{
	struct room *room = *state;
	struct vm_error err = { 0 };

	setenv("PATH", "/nonexistent", 1);
	assert_int_equal(convert(room, 0, &err), -1);
	assert_int_equal(err.kind, VM_E_UNAVAILABLE);
	assert_string_equal(err.code, "no_program");
	assert_non_null(strstr(err.hint, "qemu-utils"));
}

static void
test_it_crashes_fails_or_hangs(void **state)
{
	const struct room *room = *state;
	struct vm_error err = { 0 };

	put_fake(room, "echo one >&2; echo 'qemu-img: it broke' >&2; exit 1");
	assert_int_equal(convert(room, 0, &err), -1);
	assert_int_equal(err.kind, VM_E_BUG);
	assert_string_equal(err.message,
	    "qemu-img ended with status 1: it broke");
	put_fake(room, "kill -SEGV $$");
	assert_int_equal(convert(room, 0, &err), -1);
	assert_int_equal(err.kind, VM_E_BUG);
	assert_non_null(strstr(err.message, "signal 11"));
	put_fake(room, "echo 'x: No space left on device' >&2; exit 1");
	assert_int_equal(convert(room, 0, &err), -1);
	assert_string_equal(err.code, "no_space");
	put_fake(room,
	    "echo 'qemu-img: error while reading at byte 0: Invalid argument' "
	    ">&2; exit 1");
	assert_int_equal(convert(room, 0, &err), -1);
	assert_int_equal(err.kind, VM_E_DATA);
	assert_string_equal(err.code, "bad_data");
	put_fake(room,
	    "echo 'qemu-img: error while writing at byte 0: Invalid argument' "
	    ">&2; exit 1");
	assert_int_equal(convert(room, 0, &err), -1);
	assert_string_equal(err.code, "no_space");
	put_fake(room, "while :; do :; done");
	assert_int_equal(convert(room, 200, &err), -1);
	assert_int_equal(err.kind, VM_E_TRY_AGAIN);
}

static void
test_versions(void **state)
{
	static const struct {
		const char *script;
		int result;
		const char *code;
	} cases[] = {
		{ "echo 'qemu-img version 5.2.0 (x)'", 0, "" },
		{ "echo 'qemu-img version 11.0.50'", 0, "" },
		{ "echo 'qemu-img version 5.1.9'", -1, "no_extended_l2" },
		{ "echo 'qemu-img version 4.9'", -1, "no_extended_l2" },
		{ "echo hello", -1, "no_version" },
		{ ":", -1, "no_version" },
		{ "exit 1", -1, "program_failed" },
	};
	const struct room *room = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_error err = { 0 };

		put_fake(room, cases[i].script);
		assert_int_equal(vm_img_check_extended_l2(&err),
		    cases[i].result);
		assert_string_equal(err.code, cases[i].code);
	}
}

/* --- flattening */

/* An overlay on in.qcow2, in a directory of the two alone. */
static void
put_overlay(const struct room *room)
{
	static const char commands[] =
	    "cd %s && rm -rf d && mkdir d && ln in.qcow2 d/base && "
	    "qemu-img create -q -f qcow2 -b base -F qcow2 d/top && "
	    "qemu-io -f qcow2 -c 'write -q -P 7 512k 64k' d/top && :>out";
	char command[512];

	snprintf(command, sizeof(command), commands, room->path);
	assert_int_equal(system(command), 0);
}

static int
flatten(const struct room *room, const char *format, struct vm_error *err)
{
	struct vm_chain chain = { .virtual_size = SIZE,
		.files = { { .name = "top" }, { .name = "base" } },
		.count = 2 };
	VM_CLEAN_FD int dir_fd = openat(room->fd, "d",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	VM_CLEAN_FD int out = openat(room->fd, "out", O_RDWR | O_CLOEXEC);
	chain.dir_fd = dir_fd;
	const struct vm_img_flatten work = { .chain = &chain,
		.format = format,
		.compress = true,
		.to = out,
		.name = "box.img" };

	return vm_img_flatten(&work, err);
}

static void
test_flattens(void **state)
{
	static const char *const formats[] = { "qcow2", "vmdk" };
	const struct room *room = *state;
	char command[256];

	for (size_t i = 0; i < 2; i++) {
		struct vm_error err = { 0 };

		put_overlay(room);
		if (flatten(room, formats[i], &err) == -1)
			fail_msg("%s", err.message);
		snprintf(command, sizeof(command),
		    "cd %s && qemu-img compare -q -f %s -F qcow2 out d/top && "
		    "! qemu-img info -f %s out | grep backing",
		    room->path, formats[i], formats[i]);
		assert_int_equal(system(command), 0);
	}
	snprintf(command, sizeof(command),
	    "cd %s && head -c 2000 out | grep -aq 'SPARSE \"box.img\"'",
	    room->path);
	assert_int_equal(system(command), 0);
}

static void
test_flattening_is_kept_in(void **state)
{
	const struct room *room = *state;
	struct vm_error err = { 0 };
	char path[64];

	put_overlay(room);
	put_fake(room,
	    "echo '    (50.00/100%)'; echo x >top; echo x >other; "
	    "cat ../in.qcow2 && exit 8; head -c 4 base || exit 9; "
	    "echo 'qemu-img: it broke' >&2; exit 1");
	assert_int_equal(flatten(room, "qcow2", &err), -1);
	assert_string_equal(err.message,
	    "qemu-img ended with status 1: it broke");
	snprintf(path, sizeof(path), "%s/d/other", room->path);
	assert_int_equal(access(path, F_OK), -1);
	put_fake(room, "exec head -c 30000000 /dev/zero >box.img");
	assert_int_equal(unlinkat(room->fd, "d/box.img", 0), 0);
	err = (struct vm_error){ 0 };
	assert_int_equal(flatten(room, "raw", &err), -1);
}

/* It can neither write beside its output, nor read ours, nor connect. */
static void
test_the_sandbox_holds(void **state)
{
	const struct room *room = *state;
	struct vm_error err = { 0 };
	char path[64];

	put_fake(room,
	    "echo x >out.raw; echo x >other; cat /etc/passwd && exit 8; "
	    "perl -MSocket -e 'exit !socket(S, PF_INET, SOCK_STREAM, 0)' && "
	    "exit 9; exec head -c 2000000 /dev/urandom >out.raw");
	assert_int_equal(convert(room, 0, &err), -1);
	assert_null(strstr(err.message, "status 8"));
	assert_null(strstr(err.message, "status 9"));
	snprintf(path, sizeof(path), "%s/other", room->path);
	assert_int_equal(access(path, F_OK), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_converts, enter, leave),
		cmocka_unit_test_setup_teardown(
		    test_a_backing_file_stays_closed, enter, leave),
		cmocka_unit_test_setup_teardown(
		    test_a_program_that_is_not_there, enter, leave),
		cmocka_unit_test_setup_teardown(test_it_crashes_fails_or_hangs,
		    enter, leave),
		cmocka_unit_test_setup_teardown(test_versions, enter, leave),
		cmocka_unit_test_setup_teardown(test_the_sandbox_holds, enter,
		    leave),
		cmocka_unit_test_setup_teardown(test_flattens, enter, leave),
		cmocka_unit_test_setup_teardown(test_flattening_is_kept_in,
		    enter, leave),
	};

	return cmocka_run_group_tests_name("img", tests, NULL, NULL);
}
