#include "lib/adapt/crypto_key.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/adapt/crypto_key_pair.h"

#define COMMENT_MAX 64
#define LINE 70 /* base64 characters in one line of the private key */
/* bytes whose base64, its newlines and the armour fill the private text */
#define KEY_MAX ((size_t)(VM_KEY_PRIVATE_TEXT - 160) / 4 * 3)
#define PUBLIC_MAX ((size_t)VM_KEY_PUBLIC_TEXT / 4 * 3 - 3)

static const char *const names[VM_KEY_TYPES] = {
	[VM_KEY_ED25519] = "ed25519",
	[VM_KEY_ECDSA] = "ecdsa",
	[VM_KEY_RSA] = "rsa",
};

const char *
vm_key_name(enum vm_key_type type)
{
	return names[type];
}

int
vm_key_parse_type(const char *name, enum vm_key_type *type,
    struct vm_error *err)
{
	int i;

	for (i = 0; i < VM_KEY_TYPES; i++) {
		if (strcmp(name, names[i]) == 0) {
			*type = (enum vm_key_type)i;
			return 0;
		}
	}
	return vm_error_set(err, VM_E_USAGE, "bad_key_type",
	    "no type of host key: \"%s\"; ed25519, ecdsa or rsa", name);
}

static void
wipe(struct vm_buf *buf)
{
	if (buf->data != NULL)
		explicit_bzero(buf->data, buf->cap);
	vm_buf_release(buf);
}

/*
 * The private section of PROTOCOL.key: two equal check words, the key, its
 * comment, and 1, 2, 3 ... up to the block size of 8.
 */
static int
add_private_section(struct vm_buf *buf, const struct vm_key_pair *pair,
    const char *comment, struct vm_error *err)
{
	unsigned char pad;
	uint32_t check[2];

	if (vm_hash_random(&check[0], sizeof(check[0]), err) == -1)
		return -1;
	check[1] = check[0];
	if (vm_buf_reserve(buf, KEY_MAX, err) == -1 ||
	    vm_buf_add(buf, check, sizeof(check), err) == -1 ||
	    vm_buf_add(buf, pair->private.data, pair->private.len, err) == -1 ||
	    vm_key_pair_add(buf, comment, strlen(comment), err) == -1)
		return -1;
	for (pad = 1; buf->len % 8 != 0; pad++) {
		if (vm_buf_add(buf, &pad, 1, err) == -1)
			return -1;
	}
	return 0;
}

static int
add_private(struct vm_buf *buf, const struct vm_key_pair *pair,
    const char *comment, struct vm_error *err)
{
	static const unsigned char one[4] = { 0, 0, 0, 1 };
	VM_CLEAN(wipe) struct vm_buf section = { 0 };

	/* the magic with its NUL, no cipher, no kdf, no kdf options */
	if (vm_buf_reserve(buf, KEY_MAX, err) == -1 ||
	    vm_buf_add(buf, "openssh-key-v1", 15, err) == -1 ||
	    vm_key_pair_add(buf, "none", 4, err) == -1 ||
	    vm_key_pair_add(buf, "none", 4, err) == -1 ||
	    vm_key_pair_add(buf, "", 0, err) == -1 ||
	    vm_buf_add(buf, one, sizeof(one), err) == -1 ||
	    vm_key_pair_add(buf, pair->public.data, pair->public.len, err) ==
		-1 ||
	    add_private_section(&section, pair, comment, err) == -1)
		return -1;
	return vm_key_pair_add(buf, section.data, section.len, err);
}

/* The PEM-like armour around base64 in lines of 70 characters. */
static int
format_private(const struct vm_key_pair *pair, const char *comment,
    char out[VM_KEY_PRIVATE_TEXT], struct vm_error *err)
{
	VM_CLEAN(wipe) struct vm_buf key = { 0 };
	unsigned char text[VM_KEY_PRIVATE_TEXT];
	size_t used, i, len;

	if (add_private(&key, pair, comment, err) == -1)
		return -1;
	if (key.len > KEY_MAX)
		return vm_error_set(err, VM_E_BUG, "key", "key too long");
	len = (size_t)EVP_EncodeBlock(text, (const unsigned char *)key.data,
	    (int)key.len);
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
format_public(const char *algorithm, const struct vm_buf *blob,
    const char *comment, char out[VM_KEY_PUBLIC_TEXT], struct vm_error *err)
{
	unsigned char text[VM_KEY_PUBLIC_TEXT];

	if (blob->len > PUBLIC_MAX)
		return vm_error_set(err, VM_E_BUG, "key", "key too long");
	EVP_EncodeBlock(text, (const unsigned char *)blob->data,
	    (int)blob->len);
	if (snprintf(out, VM_KEY_PUBLIC_TEXT, "%s %s %s", algorithm, text,
		comment) >= VM_KEY_PUBLIC_TEXT)
		return vm_error_set(err, VM_E_BUG, "key", "key too long");
	return 0;
}

int
vm_key_make(enum vm_key_type type, const char *comment, struct vm_key *key,
    struct vm_error *err)
{
	VM_CLEAN_KEY_PAIR struct vm_key_pair pair = { 0 };

	if (strlen(comment) > COMMENT_MAX || strchr(comment, '\n') != NULL)
		return vm_error_set(err, VM_E_BUG, "key", "bad comment");
	if (vm_key_pair_make(type, &pair, err) == -1 ||
	    format_private(&pair, comment, key->private, err) == -1)
		return -1;
	return format_public(vm_key_pair_algorithm(type), &pair.public, comment,
	    key->public, err);
}

void
vm_key_release(struct vm_key *key)
{
	explicit_bzero(key, sizeof(*key));
}
