#include "lib/adapt/crypto_hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sys/random.h>

struct vm_hash {
	EVP_MD_CTX *context;
	const EVP_MD *type;
};

static int
start(struct vm_hash *hash, struct vm_error *err)
{
	if (EVP_DigestInit_ex(hash->context, hash->type, NULL) != 1)
		return vm_error_nomem(err);
	return 0;
}

struct vm_hash *
vm_hash_new(enum vm_hash_type type, struct vm_error *err)
{
	struct vm_hash *hash = calloc(1, sizeof(*hash));

	if (hash == NULL || (hash->context = EVP_MD_CTX_new()) == NULL) {
		vm_hash_free(hash);
		vm_error_nomem(err);
		return NULL;
	}
	hash->type = type == VM_HASH_SHA256 ? EVP_sha256() :
	    type == VM_HASH_SHA512	    ? EVP_sha512() :
					      EVP_sha1();
	if (start(hash, err) == -1) {
		vm_hash_free(hash);
		return NULL;
	}
	return hash;
}

int
vm_hash_add(struct vm_hash *hash, const void *data, size_t len,
    struct vm_error *err)
{
	if (EVP_DigestUpdate(hash->context, data, len) != 1)
		return vm_error_set(err, VM_E_BUG, "hash", "digest failed");
	return 0;
}

static void
format_hex(const unsigned char *bytes, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * len] = '\0';
}

int
vm_hash_finish(struct vm_hash *hash, char hex[VM_HASH_MAX_HEX],
    struct vm_error *err)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len;

	if (EVP_DigestFinal_ex(hash->context, bytes, &len) != 1)
		return vm_error_set(err, VM_E_BUG, "hash", "digest failed");
	format_hex(bytes, len, hex);
	return start(hash, err);
}

int
vm_hash_peek(const struct vm_hash *hash, char hex[VM_HASH_MAX_HEX],
    struct vm_error *err)
{
	struct vm_hash copy = { EVP_MD_CTX_new(), hash->type };
	int result = -1;

	if (copy.context == NULL ||
	    EVP_MD_CTX_copy_ex(copy.context, hash->context) != 1)
		vm_error_nomem(err);
	else
		result = vm_hash_finish(&copy, hex, err);
	EVP_MD_CTX_free(copy.context);
	return result;
}

void
vm_hash_free(struct vm_hash *hash)
{
	if (hash == NULL)
		return;
	EVP_MD_CTX_free(hash->context);
	free(hash);
}

void
vm_hash_clean(struct vm_hash **hash)
{
	vm_hash_free(*hash);
}

int
vm_hash_sha256(const void *data, size_t len, char hex[VM_HASH_SHA256_HEX],
    struct vm_error *err)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned size;

	if (EVP_Digest(data, len, bytes, &size, EVP_sha256(), NULL) != 1)
		return vm_error_nomem(err);
	format_hex(bytes, size, hex);
	return 0;
}

int
vm_hash_random(void *data, size_t len, struct vm_error *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = getrandom((char *)data + done, len - done, 0);
		if (n == -1 && errno != EINTR)
			return vm_error_errno(err, errno, "getrandom");
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}
