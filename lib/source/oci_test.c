#include "test/unit.h"

#include <string.h>

#include "lib/source/oci_auth.h"
#include "lib/source/oci_ref.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
test_parts(void **state)
{
	static const struct {
		const char *text, *host, *repository, *reference;
		size_t name;
	} cases[] = {
		{ "oci://quay.io/containerdisks/fedora:40", "quay.io",
		    "containerdisks/fedora", "40", 38 },
		{ "oci://localhost:5000/a__b/c-d.e", "localhost:5000",
		    "a__b/c-d.e", "latest", 31 },
		{ "oci://docker.io/debian:latest", "registry-1.docker.io",
		    "library/debian", "latest", 22 },
		{ "oci://docker.io/a/b", "registry-1.docker.io", "a/b",
		    "latest", 19 },
		{ "oci://[::1]:5000/a", "[::1]:5000", "a", "latest", 18 },
		{ "oci://h/a:1@sha256:" HEX, "h", "a", "sha256:" HEX, 11 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_oci_ref ref;
		struct vm_error err = { 0 };

		assert_int_equal(0,
		    vm_oci_ref_parse(cases[i].text, &ref, &err));
		assert_string_equal(cases[i].host, ref.host);
		assert_string_equal(cases[i].repository, ref.repository);
		assert_string_equal(cases[i].reference, ref.reference);
		assert_int_equal(cases[i].name,
		    vm_oci_name_length(cases[i].text));
	}
}

static void
test_refused(void **state)
{
	static const char *const texts[] = { "oci://", "oci://h", "oci://h/",
		"oci:///a", "oci://h/A", "oci://h/a/", "oci://h//a",
		"oci://h/a..b", "oci://h/a_-b", "oci://h/-a", "oci://h/a-",
		"oci://h/a:", "oci://h/a:.x", "oci://h/a@sha256:12",
		"oci://h/a@sha512:" HEX, "oci://u@h/a", "oci://h:/a",
		"oci://h:99999/a", "oci://.h/a", "oci://-h/a", "oci://[::1/a",
		"oci://h/a b", "oci://h/a%41", "oci://h/a?b" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct vm_error err = { 0 };

		assert_int_equal(-1, vm_oci_check(texts[i], &err));
		assert_int_equal(VM_E_USAGE, err.kind);
	}
}

static void
test_loopback(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} cases[] = {
		{ "oci://localhost/a", true },
		{ "oci://localhost:5000/a", true },
		{ "oci://127.0.0.1:5000/a", true },
		{ "oci://[::1]:5000/a", true },
		{ "oci://localhost.example.org/a", false },
		{ "oci://127.example.org/a", false },
		{ "oci://127.0.0.1.example.org/a", false },
		{ "oci://[::2]/a", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_oci_ref ref;

		assert_int_equal(0,
		    vm_oci_ref_parse(cases[i].text, &ref, NULL));
		assert_int_equal(cases[i].is, vm_oci_is_loopback(&ref));
	}
}

static void
test_challenges(void **state)
{
	struct vm_oci_challenge c;
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0,
	    vm_oci_auth_parse(
		"Bearer realm=\"https://a/t\",service=\"x, \\\"y\","
		"scope=\"repository:r:pull\"",
		&c, &err));
	assert_true(c.bearer);
	assert_string_equal("https://a/t", c.realm);
	assert_string_equal("x, \"y", c.service);
	assert_int_equal(0,
	    vm_oci_auth_parse("bearer service=s , realm=https://a", &c, &err));
	assert_string_equal("https://a", c.realm);
	assert_int_equal(0, vm_oci_auth_parse("Basic realm=\"r\"", &c, &err));
	assert_false(c.bearer);
}

static void
test_bad_challenges(void **state)
{
	static const char *const texts[] = { "", "Digest realm=\"x\"",
		"Bearer ", "Bearer realm", "Bearer realm=\"x",
		"Bearer service=\"x\"", "Bearer =\"x\"", "Bearer a\"b=\"x\"" };
	struct vm_oci_challenge c;
	char text[700] = "Bearer realm=";

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(-1, vm_oci_auth_parse(texts[i], &c, NULL));
	memset(text + strlen(text), 'x', 600);
	assert_int_equal(-1, vm_oci_auth_parse(text, &c, NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_challenges),
		cmocka_unit_test(test_bad_challenges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
