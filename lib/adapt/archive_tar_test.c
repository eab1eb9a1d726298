#include "lib/adapt/archive_tar.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "test/pull.h"
#include "test/unit.h"

#define MKTAR "test/lib/mktar.pl "

/* "name=contents;" of each member, "name/;" of a directory. */
static int
list(const char *command, size_t piece, struct vm_buf *out,
    struct vm_error *err)
{
	struct test_stream stream = { .from = popen(command, "r"),
		.piece = piece };
	struct vm_tar *tar VM_CLEAN_TAR = vm_tar_open(test_pull, &stream, err);
	struct vm_tar_member member;
	const void *data;
	size_t len;
	int result = tar == NULL ? -1 : 1;

	while (result == 1 && (result = vm_tar_next(tar, &member, err)) == 1) {
		if (vm_buf_format(out, err, "%s%s", member.name,
			member.is_directory ? "/" : "=") == -1)
			fail_msg("%s", err->message);
		for (len = 1; result == 1 && len > 0;)
			if (vm_tar_read(tar, &data, &len, err) == -1 ||
			    vm_buf_add(out, data, len, err) == -1)
				result = -1;
		if (vm_buf_add_string(out, ";", err) == -1)
			fail_msg("%s", err->message);
	}
	pclose(stream.from);
	return result;
}

static void
check_list(const char *command, const char *expected)
{
	struct vm_error err = { 0 };

	for (size_t piece = 1; piece < 4096; piece = piece * 3 + 7) {
		struct vm_buf out VM_CLEAN_BUF = { 0 };

		if (list(command, piece, &out, &err) == -1)
			fail_msg("%s: %s: %s", command, err.code, err.message);
		assert_string_equal(out.data == NULL ? "" : out.data, expected);
	}
}

static void
check_refused(const char *command, const char *code)
{
	struct vm_buf out VM_CLEAN_BUF = { 0 };
	struct vm_error err = { 0 };

	if (list(command, 4096, &out, &err) != -1 || err.kind != VM_E_DATA ||
	    strcmp(err.code, code) != 0)
		fail_msg("%s: not %s but %s: %s", command, code, err.code,
		    err.message);
}

static void
test_members_in_order(void **state)
{
	(void)state;
	check_list(MKTAR "a,data=1 d,type=5 d/b,data=22 ./c,data=333",
	    "a=1;d/;d/b=22;c=333;");
	check_list(MKTAR "a,data=1 NOEND", "a=1;");
	check_list(MKTAR "x,data=7,pax=path:long/name", "long/name=7;");
	check_list(MKTAR "x,data=7,pax=path:%C3%A9", "\xc3\xa9=7;");
	check_list(MKTAR "%C3%A9,data=7", "\xc3\xa9=7;");
	check_list(MKTAR "b,prefix=a,data=7", "a/b=7;");
	check_list(MKTAR, "");
	check_list("t=$(mktemp -d) && cd $t && echo x >f && tar c . &&"
		   " rm -r $t",
	    "./;f=x\n;");
	check_list(MKTAR ".//,type=5 .//.///a,data=1", "./;a=1;");
}

static void
test_sparse_members_have_their_zeros(void **state)
{
	struct vm_buf out VM_CLEAN_BUF = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	if (list(MKTAR
		"s,type=S,sparse=512:3+100000:2,real=100512,size=5,data=abcde "
		"b,data=1",
		4096, &out, &err) == -1)
		fail_msg("%s", err.message);
	assert_int_equal(out.len, 2 + 100512 + 1 + 4);
	assert_memory_equal(out.data + 2 + 511, "\0abc\0", 5);
	assert_memory_equal(out.data + 2 + 99999, "\0de\0", 4);
	assert_memory_equal(out.data + 2 + 100510, "\0\0;b=1;", 7);
}

static void
test_refuses_hostile_members(void **state)
{
	static const char *const bad[] = { "../x", "a/../../x", "..", "a/..",
		"/etc/x", "x,pax=path:../y", "x,pax=path:/etc/y", "a%0Ab",
		"a%1B[31m", "a%FF", "a%E2%80%AEb", "a a", "a ./a", "a .//a",
		"a x,pax=path:a", "d,type=5 d/", "l,type=2,link=/etc/passwd",
		"l,type=1,link=a", "l,type=1,link=/etc/passwd,data=bytes",
		"c,type=3", "b,type=4", "f,type=6", "x,pax=linkpath:y,type=2" };
	char command[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(command, sizeof(command), MKTAR "'%s'", bad[i]);
		if (strncmp(bad[i], "a ", 2) == 0 || bad[i][0] == 'd')
			snprintf(command, sizeof(command), MKTAR "%s", bad[i]);
		check_refused(command, "archive_member");
	}
	check_refused(MKTAR "x,pax=path:$(printf %01100d 7)", "archive_member");
	check_refused(MKTAR "x,pax=path:$(printf %04096d 7)", "archive_member");
	check_refused(MKTAR "x,count=10001", "too_many_members");
}

static void
test_refuses_damage_and_lies(void **state)
{
	(void)state;
	check_refused("seq 1000", "bad_archive");
	check_refused(MKTAR "a,data=1,size=5000 NOEND", "bad_archive");
	check_refused(MKTAR "a,data=1 b,data=2 | head -c 1100", "bad_archive");
	check_refused(MKTAR "a,data=1 b,data=2,sum=7", "bad_archive");
	check_refused(MKTAR "a,data=1,pax=size:999999999999", "bad_archive");
	check_refused(MKTAR "s,data=abc,pax=GNU.sparse.map:x", "bad_archive");
	/* parts that go back, that overlap, that end behind the end */
	check_refused(MKTAR "s,type=S,sparse=512:3+100:2,real=600,data=abcde",
	    "bad_archive");
	check_refused(MKTAR "s,type=S,sparse=0:3+2:2,real=600,data=abcde",
	    "bad_archive");
	check_refused(MKTAR "s,type=S,sparse=512:5,real=514,data=abcde",
	    "bad_archive");
}

/* A sparse member's map of 4 million parts would take 200 MB of memory. */
static void
test_headers_have_a_limit(void **state)
{
	struct vm_buf out VM_CLEAN_BUF = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(
	    list("m=$(mktemp) && perl -e 'print \"4000000\\n\","
		 " \"0\\n\" x 8e6' >$m && " MKTAR
		 "s,file=$m,pax=GNU.sparse.major:1,pax=GNU.sparse.minor:0,"
		 "pax=GNU.sparse.realsize:512; rm -f $m",
		4096, &out, &err),
	    -1);
	assert_string_equal(err.code, "bad_archive");
	assert_non_null(strstr(err.message, "a header of more than"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_in_order),
		cmocka_unit_test(test_sparse_members_have_their_zeros),
		cmocka_unit_test(test_refuses_hostile_members),
		cmocka_unit_test(test_refuses_damage_and_lies),
		cmocka_unit_test(test_headers_have_a_limit),
	};

	return cmocka_run_group_tests_name("tar", tests, NULL, NULL);
}
