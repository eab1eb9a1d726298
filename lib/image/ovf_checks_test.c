#include "lib/image/ovf_checks.h"

#include <string.h>

#include "test/unit.h"

/* Of "abc", FIPS 180-4's examples. */
#define SHA1 "a9993e364706816aba3e25717850c26c9cd0d89d"
#define SHA256                                                                 \
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA512                                                                 \
	"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"     \
	"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static int
expect(struct vm_ovf_checks *checks, const char *text, struct vm_error *err)
{
	return vm_ovf_checks_expect(checks, text, strlen(text), err);
}

/* A file with these bytes, in two parts. */
static int
file(struct vm_ovf_checks *checks, const char *name, const char *text,
    struct vm_error *err)
{
	if (vm_ovf_checks_begin(checks, name, err) == -1 ||
	    vm_ovf_checks_add(checks, text, 1, err) == -1 ||
	    vm_ovf_checks_add(checks, text + 1, strlen(text + 1), err) == -1)
		fail_msg("%s", err->message);
	return vm_ovf_checks_end(checks, err);
}

static const char *const good[] = {
	"SHA1(x)= " SHA1 "\n",
	"SHA256(x)= " SHA256,
	"SHA512 (x) = " SHA512 "\r\n",
	"SHA256(./x)=" SHA256 "\n\n",
};

static void
test_before_and_after(void **state)
{
	struct vm_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct vm_ovf_checks first VM_CLEAN_OVF_CHECKS = { 0 };
		struct vm_ovf_checks last VM_CLEAN_OVF_CHECKS = { 0 };
		struct vm_ovf_checks wrong VM_CLEAN_OVF_CHECKS = { 0 };

		assert_int_equal(expect(&first, good[i], &err), 0);
		assert_int_equal(file(&first, "other", "other", &err), 0);
		assert_int_equal(vm_ovf_checks_finish(&first, &err), -1);
		assert_string_equal(err.code, "file_missing");
		assert_int_equal(file(&first, "x", "abc", &err), 0);
		assert_int_equal(vm_ovf_checks_finish(&first, &err), 0);
		assert_int_equal(file(&first, "x", "abd", &err), -1);
		assert_string_equal(err.code, "digest_mismatch");

		assert_int_equal(file(&last, "x", "abc", &err), 0);
		assert_int_equal(file(&last, "other", "other", &err), 0);
		assert_int_equal(expect(&last, good[i], &err), 0);
		assert_int_equal(vm_ovf_checks_finish(&last, &err), 0);

		assert_int_equal(file(&wrong, "x", "abd", &err), 0);
		assert_int_equal(expect(&wrong, good[i], &err), -1);
		assert_string_equal(err.code, "digest_mismatch");
	}
}

static void
test_names_may_hold_anything(void **state)
{
	struct vm_ovf_checks checks VM_CLEAN_OVF_CHECKS = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(expect(&checks, "SHA1(a (1)= x)= " SHA1, &err), 0);
	assert_int_equal(file(&checks, "a (1)= x", "abc", &err), 0);
	assert_int_equal(vm_ovf_checks_finish(&checks, &err), 0);
}

static void
test_refuses_what_is_no_digest(void **state)
{
	static const char *const bad[] = { "x", "SHA256(x)=", "SHA256 x= 00",
		"SHA256(x) " SHA256, "SHA256()= " SHA256, "SHA256(x)= " SHA1,
		"SHA1(x)= " SHA1 "0", "SHA1(x)= " SHA1 " ", "MD5(x)= " SHA1,
		"sha1(x)= " SHA1, "SHA1)x(= " SHA1,
		"SHA1(x)= g9993e364706816aba3e25717850c26c9cd0d89d",
		"SHA1(x)= " SHA1 "\nSHA256(x)= " SHA256 };
	struct vm_ovf_checks twice VM_CLEAN_OVF_CHECKS = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vm_ovf_checks checks VM_CLEAN_OVF_CHECKS = { 0 };

		if (expect(&checks, bad[i], &err) != -1 ||
		    err.kind != VM_E_DATA ||
		    strcmp(err.code, "bad_digests") != 0)
			fail_msg("%s is accepted", bad[i]);
	}
	assert_int_equal(vm_ovf_checks_expect(&twice, "\0", 1, &err), -1);
	assert_int_equal(expect(&twice, "", &err), 0);
	assert_int_equal(expect(&twice, "", &err), -1);
	assert_string_equal(err.code, "bad_digests");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_and_after),
		cmocka_unit_test(test_names_may_hold_anything),
		cmocka_unit_test(test_refuses_what_is_no_digest),
	};

	return cmocka_run_group_tests_name("ovf_checks", tests, NULL, NULL);
}
