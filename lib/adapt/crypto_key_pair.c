#include "lib/adapt/crypto_key_pair.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"

#define ED25519_BYTES 32 /* RFC 8032 section 5.1.5 */
#define RSA_BITS 3072
#define POINT_BYTES 65 /* SEC 1 section 2.3.3: 4, x, y */
#define NUMBER_BYTES (RSA_BITS / 8)
/* no secret is left behind by a buffer that had to grow */
#define ROOM 4096

static const char *const algorithms[VM_KEY_TYPES] = {
	[VM_KEY_ED25519] = "ssh-ed25519",
	[VM_KEY_ECDSA] = "ecdsa-sha2-nistp256",
	[VM_KEY_RSA] = "ssh-rsa",
};

const char *
vm_key_pair_algorithm(enum vm_key_type type)
{
	return algorithms[type];
}

static void
clean_pkey(EVP_PKEY **pkey)
{
	EVP_PKEY_free(*pkey);
}

static void
clean_number(BIGNUM **number)
{
	BN_clear_free(*number);
}

static int
fail(const char *what, struct vm_error *err)
{
	if (ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE)
		return vm_error_nomem(err);
	return vm_error_set(err, VM_E_BUG, "key", "libcrypto: no %s", what);
}

int
vm_key_pair_add(struct vm_buf *buf, const void *data, size_t len,
    struct vm_error *err)
{
	unsigned char n[4] = { (unsigned char)(len >> 24),
		(unsigned char)(len >> 16), (unsigned char)(len >> 8),
		(unsigned char)len };

	if (vm_buf_add(buf, n, sizeof(n), err) == -1)
		return -1;
	return vm_buf_add(buf, data, len, err);
}

static int
add_text(struct vm_buf *buf, const char *text, struct vm_error *err)
{
	return vm_key_pair_add(buf, text, strlen(text), err);
}

/* "mpint": big-endian, with a zero in front when it would look negative. */
static int
add_number(struct vm_buf *buf, const EVP_PKEY *pkey, const char *name,
    struct vm_error *err)
{
	VM_CLEAN(clean_number) BIGNUM *number = NULL;
	unsigned char bytes[1 + NUMBER_BYTES] = { 0 };
	int len, rc;

	if (EVP_PKEY_get_bn_param(pkey, name, &number) != 1)
		return fail(name, err);
	len = BN_num_bytes(number);
	if (len == 0 || len > NUMBER_BYTES)
		return fail(name, err);
	BN_bn2bin(number, bytes + 1);
	rc = (bytes[1] & 0x80) != 0 ?
	    vm_key_pair_add(buf, bytes, (size_t)len + 1, err) :
	    vm_key_pair_add(buf, bytes + 1, (size_t)len, err);
	explicit_bzero(bytes, sizeof(bytes));
	return rc;
}

/* RFC 8709 section 4; private: the seed and the public half as one string. */
static int
make_ed25519(struct vm_key_pair *pair, struct vm_error *err)
{
	VM_CLEAN(clean_pkey) EVP_PKEY *pkey = NULL;
	unsigned char both[2 * ED25519_BYTES], *public = both + ED25519_BYTES;
	size_t len = ED25519_BYTES;
	int rc = -1;

	if (vm_hash_random(both, ED25519_BYTES, err) == -1)
		return -1;
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, both,
	    ED25519_BYTES);
	if (pkey == NULL ||
	    EVP_PKEY_get_raw_public_key(pkey, public, &len) != 1)
		fail("ed25519 key", err);
	else if (vm_key_pair_add(&pair->public, public, len, err) == 0 &&
	    vm_key_pair_add(&pair->private, public, len, err) == 0 &&
	    vm_key_pair_add(&pair->private, both, sizeof(both), err) == 0)
		rc = 0;
	explicit_bzero(both, sizeof(both));
	return rc;
}

/* RFC 5656 section 3.1: the curve, the point; private: and the number. */
static int
make_ecdsa(struct vm_key_pair *pair, struct vm_error *err)
{
	VM_CLEAN(clean_pkey) EVP_PKEY *pkey = EVP_EC_gen("P-256");
	unsigned char point[POINT_BYTES];
	size_t len = 0;

	if (pkey == NULL ||
	    EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY,
		point, sizeof(point), &len) != 1 ||
	    len != sizeof(point))
		return fail("ecdsa key", err);
	if (add_text(&pair->public, "nistp256", err) == -1 ||
	    vm_key_pair_add(&pair->public, point, len, err) == -1 ||
	    add_text(&pair->private, "nistp256", err) == -1 ||
	    vm_key_pair_add(&pair->private, point, len, err) == -1)
		return -1;
	return add_number(&pair->private, pkey, OSSL_PKEY_PARAM_PRIV_KEY, err);
}

static int
add_numbers(struct vm_buf *buf, const EVP_PKEY *pkey, const char *const *names,
    size_t count, struct vm_error *err)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (add_number(buf, pkey, names[i], err) == -1)
			return -1;
	}
	return 0;
}

/* RFC 4253 section 6.6: e, n; private: n, e, d, 1/q mod p, p, q. */
static int
make_rsa(struct vm_key_pair *pair, struct vm_error *err)
{
	static const char *const public[] = { OSSL_PKEY_PARAM_RSA_E,
		OSSL_PKEY_PARAM_RSA_N };
	static const char *const private[] = { OSSL_PKEY_PARAM_RSA_N,
		OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
		OSSL_PKEY_PARAM_RSA_COEFFICIENT1, OSSL_PKEY_PARAM_RSA_FACTOR1,
		OSSL_PKEY_PARAM_RSA_FACTOR2 };
	VM_CLEAN(clean_pkey) EVP_PKEY *pkey = EVP_RSA_gen(RSA_BITS);

	if (pkey == NULL)
		return fail("rsa key", err);
	if (add_numbers(&pair->public, pkey, public,
		sizeof(public) / sizeof(*public), err) == -1)
		return -1;
	return add_numbers(&pair->private, pkey, private,
	    sizeof(private) / sizeof(*private), err);
}

int
vm_key_pair_make(enum vm_key_type type, struct vm_key_pair *pair,
    struct vm_error *err)
{
	static int (*const make[VM_KEY_TYPES])(struct vm_key_pair * pair,
	    struct vm_error * err) = {
		[VM_KEY_ED25519] = make_ed25519,
		[VM_KEY_ECDSA] = make_ecdsa,
		[VM_KEY_RSA] = make_rsa,
	};

	if (vm_buf_reserve(&pair->private, ROOM, err) == -1 ||
	    add_text(&pair->public, algorithms[type], err) == -1 ||
	    add_text(&pair->private, algorithms[type], err) == -1)
		return -1;
	return make[type](pair, err);
}

void
vm_key_pair_release(struct vm_key_pair *pair)
{
	if (pair->private.data != NULL)
		explicit_bzero(pair->private.data, pair->private.cap);
	vm_buf_release(&pair->private);
	vm_buf_release(&pair->public);
}
