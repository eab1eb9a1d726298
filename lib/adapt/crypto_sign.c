#include "lib/adapt/crypto_sign.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/base/clean.h"

bool
vm_sign_is_good(const unsigned char key[VM_SIGN_KEY],
    const unsigned char signature[VM_SIGN_BYTES], const void *data, size_t len)
{
	EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
	    key, VM_SIGN_KEY);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = public != NULL && context != NULL &&
	    EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1 &&
	    EVP_DigestVerify(context, signature, VM_SIGN_BYTES, data, len) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(public);
	return good;
}

int
vm_sign_blake2b(const void *data, size_t len,
    unsigned char digest[VM_SIGN_BLAKE2B], struct vm_error *err)
{
	unsigned size;

	if (EVP_Digest(data, len, digest, &size, EVP_blake2b512(), NULL) != 1)
		return vm_error_nomem(err);
	return 0;
}

long
vm_sign_decode(const char *text, size_t len, unsigned char *out, size_t size)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	unsigned char *bytes VM_CLEAN_FREE = NULL;
	size_t padding = 0, decoded;

	while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
		padding++;
	if (len == 0 || len % 4 != 0 || len > INT_MAX)
		return -1;
	for (size_t i = 0; i < len - padding; i++)
		if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL)
			return -1;
	decoded = len / 4 * 3 - padding;
	bytes = malloc(len / 4 * 3);
	if (bytes == NULL || decoded > size ||
	    EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) == -1)
		return -1;
	memcpy(out, bytes, decoded);
	return (long)decoded;
}
