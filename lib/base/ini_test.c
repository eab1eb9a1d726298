#include "test/unit.h"

#include <string.h>

#include "lib/base/ini.h"

static struct vm_buf
fill(const char *text)
{
	struct vm_buf buf = { 0 };

	assert_int_equal(0, vm_buf_add_string(&buf, text, NULL));
	return buf;
}

static void
test_entries(void **state)
{
	VM_CLEAN_BUF struct vm_buf text = fill("# comment\r\n"
					       "top=1\n"
					       "\n"
					       "[debian-12]\r\n"
					       "name = Debian 12\t\r\n"
					       "checksum[sha512]=00=ff\n"
					       "notes=one\n"
					       "  two\n"
					       "\r\n\n"
					       "\tthree\n"
					       "empty=\n"
					       "; other\n"
					       "[last]");
	static const char *const expected[][3] = {
		{ "", "top", "1" },
		{ "debian-12", NULL, "" },
		{ "debian-12", "name", "Debian 12" },
		{ "debian-12", "checksum[sha512]", "00=ff" },
		{ "debian-12", "notes", "one\ntwo\n\n\nthree" },
		{ "debian-12", "empty", "" },
		{ "last", NULL, "" },
	};
	struct vm_error err = { 0 };
	struct vm_ini_entry entry;
	struct vm_ini ini;

	(void)state;
	assert_int_equal(0, vm_ini_init(&ini, &text, "f", &err));
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_int_equal(1, vm_ini_next(&ini, &entry, &err));
		assert_string_equal(expected[i][0], entry.section);
		if (expected[i][1] == NULL)
			assert_null(entry.key);
		else
			assert_string_equal(expected[i][1], entry.key);
		assert_string_equal(expected[i][2], entry.value);
	}
	assert_int_equal(0, vm_ini_next(&ini, &entry, &err));
	assert_int_equal(0, vm_ini_next(&ini, &entry, &err));
}

static void
test_refused(void **state)
{
	static const char *const texts[] = { "[a\n", "[]\n", "[a]b\n", "word\n",
		"=x\n", " x=1\n" };
	struct vm_ini_entry entry;
	struct vm_ini ini;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		VM_CLEAN_BUF struct vm_buf text = fill(texts[i]);
		struct vm_error err = { 0 };

		assert_int_equal(0, vm_ini_init(&ini, &text, "f", &err));
		assert_int_equal(-1, vm_ini_next(&ini, &entry, &err));
		assert_string_equal("bad_ini", err.code);
		assert_non_null(strstr(err.message, "f:1: "));
	}
}

static void
test_nothing(void **state)
{
	struct vm_buf empty = { 0 };
	VM_CLEAN_BUF struct vm_buf nul = { 0 };
	struct vm_ini_entry entry;
	struct vm_error err = { 0 };
	struct vm_ini ini;

	(void)state;
	assert_int_equal(0, vm_ini_init(&ini, &empty, "f", &err));
	assert_int_equal(0, vm_ini_next(&ini, &entry, &err));
	assert_int_equal(0, vm_buf_add(&nul, "a=\0b", 4, NULL));
	assert_int_equal(-1, vm_ini_init(&ini, &nul, "f", &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
