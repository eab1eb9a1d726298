#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/adapt/crypto_key.h"
#include "lib/adapt/crypto_sign.h"
#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "test/unit.h"

static void
test_digests(void **state)
{
	VM_CLEAN_HASH struct vm_hash *hash = NULL;
	VM_CLEAN_HASH struct vm_hash *sha1 = NULL;
	struct vm_error err = { 0 };
	char hex[VM_HASH_MAX_HEX];
	int turn;

	(void)state;
	/* FIPS 180-4 examples: "abc" */
	assert_int_equal(0, vm_hash_sha256("abc", 3, hex, &err));
	assert_string_equal("ba7816bf8f01cfea414140de5dae2223"
			    "b00361a396177a9cb410ff61f20015ad",
	    hex);
	sha1 = vm_hash_new(VM_HASH_SHA1, &err);
	assert_int_equal(0, vm_hash_add(sha1, "abc", 3, &err));
	assert_int_equal(0, vm_hash_finish(sha1, hex, &err));
	assert_string_equal("a9993e364706816aba3e25717850c26c9cd0d89d", hex);
	hash = vm_hash_new(VM_HASH_SHA512, &err);
	for (turn = 0; turn < 2; turn++) { /* it starts anew */
		assert_int_equal(0, vm_hash_add(hash, "a", 1, &err));
		assert_int_equal(0, vm_hash_add(hash, "bc", 2, &err));
		assert_int_equal(0, vm_hash_finish(hash, hex, &err));
		assert_string_equal("ddaf35a193617abacc417349ae204131"
				    "12e6fa4e89a97ea20a9eeee64b55d39a"
				    "2192992a274fc1a836ba3c23a3feebbd"
				    "454d4423643ce80e2a9ac94fa54ca49f",
		    hex);
	}
}

/* OpenSSH itself reads the private half and derives our public half. */
static void
check_openssh(enum vm_key_type type)
{
	char path[] = "/tmp/vmpipe-key-XXXXXX";
	const char *const argv[] = { "ssh-keygen", "-y", "-f", path, NULL };
	VM_CLEAN_KEY struct vm_key key = { .public = "" };
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	struct vm_proc_options options = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};
	struct vm_error err = { 0 };
	int fd;

	assert_int_equal(0, vm_key_make(type, "root@shop-web-1", &key, &err));
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(0,
	    vm_fd_write(fd, key.private, strlen(key.private), path, &err));
	close(fd);
	assert_int_equal(0, vm_proc_run_ok(&options, &result, &err));
	unlink(path);
	result.out.data[result.out.len - 1] = '\0';
	assert_string_equal(key.public, result.out.data);
}

/* Several of each: numbers whose first bit is set, or first byte is not. */
static void
test_key_is_openssh(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 8; i++) {
		check_openssh(VM_KEY_ED25519);
		check_openssh(VM_KEY_ECDSA);
	}
	check_openssh(VM_KEY_RSA);
}

static void
test_keys_differ(void **state)
{
	VM_CLEAN_KEY struct vm_key a = { .public = "" }, b = a;
	struct vm_error err = { 0 };
	enum vm_key_type type;

	(void)state;
	for (type = VM_KEY_ED25519; type < VM_KEY_RSA; type++) {
		assert_int_equal(0, vm_key_make(type, "x", &a, &err));
		assert_int_equal(0, vm_key_make(type, "x", &b, &err));
		assert_string_not_equal(a.public, b.public);
	}
	assert_int_equal(-1, vm_key_make(VM_KEY_ED25519, "a\nb", &a, &err));
}

static void
test_key_types(void **state)
{
	struct vm_error err = { 0 };
	enum vm_key_type type;

	(void)state;
	assert_int_equal(0, vm_key_parse_type("ecdsa", &type, &err));
	assert_int_equal(VM_KEY_ECDSA, type);
	assert_string_equal("rsa", vm_key_name(VM_KEY_RSA));
	assert_int_equal(-1, vm_key_parse_type("dsa", &type, &err));
	assert_int_equal(VM_E_USAGE, err.kind);
	assert_int_equal(-1, vm_key_parse_type("", &type, &err));
	assert_int_equal(VM_KEY_ECDSA, type);
}

static void
decode_hex(const char *hex, unsigned char *out)
{
	for (; *hex != '\0'; hex += 2) {
		const char pair[3] = { hex[0], hex[1], '\0' };

		*out++ = (unsigned char)strtoul(pair, NULL, 16);
	}
}

/* RFC 8032 section 7.1, test 2; one bit changed anywhere is another thing. */
static void
test_signature(void **state)
{
	unsigned char key[VM_SIGN_KEY], signature[VM_SIGN_BYTES];

	(void)state;
	decode_hex("3d4017c3e843895a92b70aa74d1b7ebc"
		   "9c982ccf2ec4968cc0cd55f12af4660c",
	    key);
	decode_hex("92a009a9f0d4cab8720e820b5f642540"
		   "a2b27b5416503f8fb3762223ebdb69da"
		   "085ac1e43e15996e458f3613d0f11d8c"
		   "387b2eaeb4302aeeb00d291612bb0c00",
	    signature);
	assert_true(vm_sign_is_good(key, signature, "\x72", 1));
	assert_false(vm_sign_is_good(key, signature, "\x73", 1));
	assert_false(vm_sign_is_good(key, signature, "\x72", 0));
	signature[40] ^= 1;
	assert_false(vm_sign_is_good(key, signature, "\x72", 1));
	signature[40] ^= 1;
	key[3] ^= 1;
	assert_false(vm_sign_is_good(key, signature, "\x72", 1));
}

/* RFC 7693 appendix A. */
static void
test_blake2b(void **state)
{
	unsigned char digest[VM_SIGN_BLAKE2B], wanted[VM_SIGN_BLAKE2B];
	struct vm_error err = { 0 };

	(void)state;
	decode_hex("ba80a53f981c4d0d6a2797b69f12f6e9"
		   "4c212f14685ac4b74b12bb6fdbffa2d1"
		   "7d87c5392aab792dc252d5de4533cc95"
		   "18d38aa8dbf1925ab92386edd4009923",
	    wanted);
	assert_int_equal(0, vm_sign_blake2b("abc", 3, digest, &err));
	assert_memory_equal(wanted, digest, sizeof(digest));
}

/* RFC 4648 section 10, and what is no base64. */
static void
test_base64(void **state)
{
	static const char *const bad[] = { "", "Zg", "Zg=", "Zm9v====", "Zm 9v",
		"Zm9v\n", "Zm9\xff", "=m9v", "Zg==Zg==" };
	unsigned char out[8];

	(void)state;
	assert_int_equal(1, vm_sign_decode("Zg==", 4, out, sizeof(out)));
	assert_int_equal(2, vm_sign_decode("Zm8=", 4, out, sizeof(out)));
	assert_int_equal(6, vm_sign_decode("Zm9vYmFy", 8, out, sizeof(out)));
	assert_memory_equal("foobar", out, 6);
	assert_int_equal(-1, vm_sign_decode("Zm9vYmFy", 8, out, 5));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(-1,
		    vm_sign_decode(bad[i], strlen(bad[i]), out, sizeof(out)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_key_is_openssh),
		cmocka_unit_test(test_keys_differ),
		cmocka_unit_test(test_key_types),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_blake2b),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
