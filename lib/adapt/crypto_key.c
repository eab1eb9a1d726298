#include "lib/adapt/crypto_key.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/base/buf.h"

#define KEY_BYTES 32 /* ed25519: RFC 8032 section 5.1.5 */
#define COMMENT_MAX 64
#define LINE 70 /* base64 characters in one line of the private key */

static const char key_type[] = "ssh-ed25519";

/* "string" of RFC 4251 section 5: a big-endian length and the bytes. */
static int
add_string(struct vm_buf *buf, const void *data, size_t len,
    struct vm_error *err)
{
	unsigned char n[4] = { (unsigned char)(len >> 24),
		(unsigned char)(len >> 16), (unsigned char)(len >> 8),
		(unsigned char)len };

	if (vm_buf_add(buf, n, sizeof(n), err) == -1)
		return -1;
	return vm_buf_add(buf, data, len, err);
}

/* RFC 8709 section 4: the type's name and the 32 bytes. */
static int
add_public(struct vm_buf *buf, const unsigned char *public,
    struct vm_error *err)
{
	if (add_string(buf, key_type, strlen(key_type), err) == -1)
		return -1;
	return add_string(buf, public, KEY_BYTES, err);
}

/*
 * The private section of PROTOCOL.key: two equal check words, the key, its
 * comment, and 1, 2, 3 ... up to the block size of 8.
 */
static int
add_private_section(struct vm_buf *buf, const unsigned char *public,
    const unsigned char *private, const char *comment, struct vm_error *err)
{
	unsigned char both[2 * KEY_BYTES], pad;
	uint32_t check[2];
	int rc;

	if (vm_hash_random(&check[0], sizeof(check[0]), err) == -1)
		return -1;
	check[1] = check[0];
	memcpy(both, private, KEY_BYTES);
	memcpy(both + KEY_BYTES, public, KEY_BYTES);
	rc = vm_buf_add(buf, check, sizeof(check), err) == -1 ||
		add_public(buf, public, err) == -1 ||
		add_string(buf, both, sizeof(both), err) == -1 ||
		add_string(buf, comment, strlen(comment), err) == -1 ?
	    -1 :
	    0;
	explicit_bzero(both, sizeof(both));
	for (pad = 1; rc == 0 && buf->len % 8 != 0; pad++)
		rc = vm_buf_add(buf, &pad, 1, err);
	return rc;
}

static int
add_private(struct vm_buf *buf, const unsigned char *public,
    const unsigned char *private, const char *comment, struct vm_error *err)
{
	static const unsigned char one[4] = { 0, 0, 0, 1 };
	VM_CLEAN_BUF struct vm_buf key = { 0 }, section = { 0 };
	int rc = 0;

	/* the magic with its NUL, no cipher, no kdf, no kdf options */
	if (vm_buf_add(buf, "openssh-key-v1", 15, err) == -1 ||
	    add_string(buf, "none", 4, err) == -1 ||
	    add_string(buf, "none", 4, err) == -1 ||
	    add_string(buf, "", 0, err) == -1 ||
	    vm_buf_add(buf, one, sizeof(one), err) == -1 ||
	    add_public(&key, public, err) == -1 ||
	    add_string(buf, key.data, key.len, err) == -1 ||
	    add_private_section(&section, public, private, comment, err) ==
		-1 ||
	    add_string(buf, section.data, section.len, err) == -1)
		rc = -1;
	if (section.data != NULL)
		explicit_bzero(section.data, section.cap);
	return rc;
}

/* The PEM-like armour around base64 in lines of 70 characters. */
static int
armour(const struct vm_buf *key, char out[VM_KEY_PRIVATE_TEXT],
    struct vm_error *err)
{
	unsigned char text[VM_KEY_PRIVATE_TEXT];
	size_t used, i, len;

	if (key->len > (sizeof(text) - 160) / 4 * 3)
		return vm_error_set(err, VM_E_BUG, "key", "key too long");
	len = (size_t)EVP_EncodeBlock(text, (const unsigned char *)key->data,
	    (int)key->len);
	used = (size_t)snprintf(out, VM_KEY_PRIVATE_TEXT,
	    "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	for (i = 0; i < len; i += LINE)
		used += (size_t)snprintf(out + used, VM_KEY_PRIVATE_TEXT - used,
		    "%.*s\n", (int)(len - i < LINE ? len - i : LINE), text + i);
	snprintf(out + used, VM_KEY_PRIVATE_TEXT - used,
	    "-----END OPENSSH PRIVATE KEY-----\n");
	explicit_bzero(text, sizeof(text));
	return 0;
}

static int
format_public(const unsigned char *public, const char *comment,
    char out[VM_KEY_PUBLIC_TEXT], struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf key = { 0 };
	unsigned char text[128];

	if (add_public(&key, public, err) == -1)
		return -1;
	EVP_EncodeBlock(text, (const unsigned char *)key.data, (int)key.len);
	snprintf(out, VM_KEY_PUBLIC_TEXT, "%s %s %s", key_type, text, comment);
	return 0;
}

int
vm_key_make_ed25519(const char *comment, char public_text[VM_KEY_PUBLIC_TEXT],
    char private_text[VM_KEY_PRIVATE_TEXT], struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf key = { 0 };
	unsigned char public[KEY_BYTES], private[KEY_BYTES];
	size_t len = KEY_BYTES;
	EVP_PKEY *pair;
	int rc;

	if (strlen(comment) > COMMENT_MAX || strchr(comment, '\n') != NULL)
		return vm_error_set(err, VM_E_BUG, "key", "bad comment");
	if (vm_hash_random(private, sizeof(private), err) == -1)
		return -1;
	pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private,
	    sizeof(private));
	if (pair == NULL)
		return vm_error_nomem(err);
	rc = EVP_PKEY_get_raw_public_key(pair, public, &len) == 1 ?
	    0 :
	    vm_error_set(err, VM_E_BUG, "key", "no public half");
	EVP_PKEY_free(pair);
	if (rc == 0)
		rc = add_private(&key, public, private, comment, err) == -1 ||
			armour(&key, private_text, err) == -1 ||
			format_public(public, comment, public_text, err) == -1 ?
		    -1 :
		    0;
	explicit_bzero(private, sizeof(private));
	if (key.data != NULL)
		explicit_bzero(key.data, key.cap);
	return rc;
}
