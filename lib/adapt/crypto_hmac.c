#include "lib/adapt/crypto_hmac.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

int
vm_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
    unsigned char code[VM_HMAC_BYTES], struct vm_error *err)
{
	unsigned got = 0;

	if (key_len > INT_MAX ||
	    HMAC(EVP_sha256(), key, (int)key_len, data, len, code, &got) ==
		NULL ||
	    got != VM_HMAC_BYTES)
		return vm_error_set(err, VM_E_BUG, "hmac", "HMAC failed");
	return 0;
}
