#include <string.h>

#include "lib/source/sums.h"
#include "test/unit.h"

#define A16 "0123456789abcdef"
#define A A16 A16 A16 A16
#define B16 "fedcba9876543210"
#define B B16 B16 B16 B16
#define MD5 A16 A16
#define ARMOUR "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
#define SIGNATURE "-----BEGIN PGP SIGNATURE-----\nx\n"

static const struct {
	const char *text, *hex; /* NULL: refused ... */
	const char *code;	/* ... so */
} cases[] = {
	{ A "  box\n", A, NULL },
	{ A " *box\n", A, NULL },
	{ A "  ./box\r\n", A, NULL },
	{ "# x\n\n" B "  other\n" A "  box", A, NULL },
	{ A A "  box\n", A A, NULL },
	{ B B "  box\n" A "  box\n", A, NULL },
	{ "SHA256 (box) = " A "\n", A, NULL },
	{ "SHA512 (box) = " A B "\n", A B, NULL },
	{ "# box: 10 bytes\nSHA256 (box) = " A "\n", A, NULL },
	{ A "\n", A, NULL },
	{ "FEDCBA98"
	  "76543210" B16 B16 B16 "  box\n",
	    B, NULL },
	{ A "  box\n" A "  box\n", A, NULL },
	{ ARMOUR "SHA256 (box) = " A "\n" SIGNATURE, A, NULL },
	{ ARMOUR "- " A "  box\n" SIGNATURE, A, NULL },
	{ "", NULL, "not_in_checksums" },
	{ "<html>\n", NULL, "not_in_checksums" },
	{ A "  other\n", NULL, "not_in_checksums" },
	{ A "  box.sig\n", NULL, "not_in_checksums" },
	{ A "  dir/box\n", NULL, "not_in_checksums" },
	{ A "0  box\n", NULL, "not_in_checksums" },
	{ A " box\n", NULL, "not_in_checksums" },
	{ A "\n" B "\n", NULL, "not_in_checksums" },
	{ A "\n" B "  other\n", NULL, "not_in_checksums" },
	{ MD5 "  box\n", NULL, "not_in_checksums" },
	{ "MD5 (box) = " MD5 "\n", NULL, "not_in_checksums" },
	{ "SHA256 (box) = " A A "\n", NULL, "not_in_checksums" },
	{ A "  box\n" B "  box\n", NULL, "bad_checksums" },
	{ A "  box\nSHA256 (box) = " B "\n", NULL, "bad_checksums" },
	{ ARMOUR A "  box\n", NULL, "bad_checksums" },
	{ A "  box\n" ARMOUR "x\n" SIGNATURE, NULL, "not_in_checksums" },
	{ ARMOUR "x\n" SIGNATURE A "  box\n", NULL, "not_in_checksums" },
};

static void
test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_sums sums = { 0 };
		struct vm_error err = { 0 };
		int result = vm_sums_find(cases[i].text, strlen(cases[i].text),
		    "box", &sums, &err);

		assert_int_equal(cases[i].hex == NULL ? -1 : 0, result);
		if (cases[i].hex != NULL)
			assert_string_equal(cases[i].hex, sums.hex);
		else
			assert_string_equal(cases[i].code, err.code);
	}
}

/* The names of sha256sum(1) may be escaped, those of BSD hold anything. */
static void
test_names(void **state)
{
	static const char gnu[] = "\\" A "  a\\\\b\\nc\n";
	static const char bsd[] = "SHA256 (a) = (b) = " A "\n";
	static const char nul[] = A "  box\n\0";
	struct vm_sums sums = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0,
	    vm_sums_find(gnu, strlen(gnu), "a\\b\nc", &sums, &err));
	assert_int_equal(0,
	    vm_sums_find(bsd, strlen(bsd), "a) = (b", &sums, &err));
	assert_int_equal(-1,
	    vm_sums_find(nul, sizeof(nul), "box", &sums, &err));
	assert_string_equal("bad_checksums", err.code);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
