#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/adapt/crypto_key.h"
#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "test/unit.h"

static void
test_digests(void **state)
{
	VM_CLEAN_HASH struct vm_hash *hash = NULL;
	struct vm_error err = { 0 };
	char hex[VM_HASH_MAX_HEX];
	int turn;

	(void)state;
	/* FIPS 180-4 examples: "abc" */
	assert_int_equal(0, vm_hash_sha256("abc", 3, hex, &err));
	assert_string_equal("ba7816bf8f01cfea414140de5dae2223"
			    "b00361a396177a9cb410ff61f20015ad",
	    hex);
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
test_key_is_openssh(void **state)
{
	const char *const argv[] = { "ssh-keygen", "-y", "-f", NULL, NULL };
	const char *args[5];
	char public[VM_KEY_PUBLIC_TEXT], private[VM_KEY_PRIVATE_TEXT];
	char path[] = "/tmp/vmpipe-key-XXXXXX";
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	struct vm_proc_options options = {
		.argv = args, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};
	struct vm_error err = { 0 };
	int fd;

	(void)state;
	memcpy(args, argv, sizeof(args));
	args[3] = path;
	assert_int_equal(0,
	    vm_key_make_ed25519("root@shop-web-1", public, private, &err));
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(0,
	    vm_fd_write(fd, private, strlen(private), path, &err));
	close(fd);
	assert_int_equal(0, vm_proc_run_ok(&options, &result, &err));
	unlink(path);
	result.out.data[result.out.len - 1] = '\0';
	assert_string_equal(public, result.out.data);
}

static void
test_keys_differ(void **state)
{
	char a[VM_KEY_PUBLIC_TEXT], b[VM_KEY_PUBLIC_TEXT];
	char private[VM_KEY_PRIVATE_TEXT];
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0, vm_key_make_ed25519("x", a, private, &err));
	assert_int_equal(0, vm_key_make_ed25519("x", b, private, &err));
	assert_string_not_equal(a, b);
	assert_int_equal(-1, vm_key_make_ed25519("a\nb", a, private, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_key_is_openssh),
		cmocka_unit_test(test_keys_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
