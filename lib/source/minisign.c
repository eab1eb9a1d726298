#include "lib/source/minisign.h"

#include <string.h>

#include "lib/adapt/crypto_sign.h"

#define COMMENT "untrusted comment: "
#define TRUSTED "trusted comment: "
#define NUMBER 8 /* bytes of a key's number */

struct key {
	unsigned char algorithm[2], number[NUMBER], bytes[VM_SIGN_KEY];
};

struct signature {
	unsigned char algorithm[2], number[NUMBER], bytes[VM_SIGN_BYTES];
};

_Static_assert(sizeof(struct key) == 42, "a key's bytes, no padding");
_Static_assert(sizeof(struct signature) == 74, "a signature's, no padding");

/* What is left of a file, and the line that was cut off it. */
struct cursor {
	const char *rest, *line;
	size_t left, len;
};

static bool
next_line(struct cursor *c)
{
	const char *end;

	if (c->left == 0)
		return false;
	end = memchr(c->rest, '\n', c->left);
	c->line = c->rest;
	c->len = end == NULL ? c->left : (size_t)(end - c->rest);
	c->rest += c->len + (end != NULL);
	c->left -= c->len + (end != NULL);
	if (c->len > 0 && c->line[c->len - 1] == '\r')
		c->len--;
	return true;
}

static bool
begins(const struct cursor *c, const char *text)
{
	return c->len >= strlen(text) &&
	    memcmp(c->line, text, strlen(text)) == 0;
}

bool
vm_minisign_is_file(const struct vm_buf *file)
{
	return file->len >= strlen(COMMENT) &&
	    memcmp(file->data, COMMENT, strlen(COMMENT)) == 0;
}

/* A comment and a line of base64 with exactly these bytes. */
static bool
read_block(struct cursor *c, void *out, size_t size)
{
	return next_line(c) && begins(c, COMMENT) && next_line(c) &&
	    vm_sign_decode(c->line, c->len, out, size) == (long)size;
}

/* The key with this number. */
static int
find_key(const struct vm_buf *keys, const unsigned char *number,
    struct key *key, struct vm_error *err)
{
	struct cursor c = { .rest = keys->data, .left = keys->len };

	while (c.left > 0) {
		if (!read_block(&c, key, sizeof(*key)) ||
		    memcmp(key->algorithm, "Ed", 2) != 0)
			return vm_error_set(err, VM_E_DENIED, "bad_key",
			    "the keyring is not a public key of minisign or "
			    "signify");
		if (memcmp(key->number, number, NUMBER) == 0)
			return 0;
	}
	vm_error_set(err, VM_E_DENIED, "unknown_key",
	    "signed by a key that is not in the keyring");
	return vm_error_hint(err,
	    "vmfetch --keyring FILE, with the publisher's key");
}

static int
fail_signature(struct vm_error *err, const char *why)
{
	return vm_error_set(err, VM_E_DENIED, "bad_signature",
	    "the signature is not good: %s", why);
}

/* minisign signs its signature together with the trusted comment. */
static int
check_trusted(struct cursor *c, const struct key *key,
    const struct signature *signature, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf both = { 0 };
	unsigned char global[VM_SIGN_BYTES];
	size_t skip = strlen(TRUSTED);

	if (!next_line(c))
		return signature->algorithm[1] == 'd' ?
		    0 :
		    fail_signature(err, "without a trusted comment");
	if (!begins(c, TRUSTED))
		return fail_signature(err, "not of minisign or signify");
	if (vm_buf_add(&both, signature->bytes, sizeof(signature->bytes),
		err) == -1 ||
	    vm_buf_add(&both, c->line + skip, c->len - skip, err) == -1)
		return -1;
	if (!next_line(c) ||
	    vm_sign_decode(c->line, c->len, global, sizeof(global)) !=
		(long)sizeof(global) ||
	    !vm_sign_is_good(key->bytes, global, both.data, both.len))
		return fail_signature(err, "its trusted comment was changed");
	return 0;
}

static int
check_text(const struct key *key, const struct signature *signature,
    const char *text, size_t len, struct vm_error *err)
{
	unsigned char digest[VM_SIGN_BLAKE2B];
	const void *data = text;

	if (signature->algorithm[1] == 'D') {
		if (vm_sign_blake2b(text, len, digest, err) == -1)
			return -1;
		data = digest;
		len = sizeof(digest);
	}
	if (!vm_sign_is_good(key->bytes, signature->bytes, data, len))
		return fail_signature(err, "of another file, or changed");
	return 0;
}

static int
read_signature(struct cursor *c, struct signature *signature,
    struct vm_error *err)
{
	if (!read_block(c, signature, sizeof(*signature)) ||
	    signature->algorithm[0] != 'E' ||
	    (signature->algorithm[1] != 'd' && signature->algorithm[1] != 'D'))
		return fail_signature(err, "not of minisign or signify");
	return 0;
}

int
vm_minisign_verify(const struct vm_buf *keys, const struct vm_buf *file,
    const struct vm_buf *text, struct vm_error *err)
{
	struct cursor c = { .rest = file->data, .left = file->len };
	struct signature signature;
	struct key key;

	if (read_signature(&c, &signature, err) == -1 ||
	    find_key(keys, signature.number, &key, err) == -1 ||
	    check_text(&key, &signature, text->data, text->len, err) == -1)
		return -1;
	return check_trusted(&c, &key, &signature, err);
}

int
vm_minisign_open(const struct vm_buf *keys, const struct vm_buf *embedded,
    struct vm_buf *text, struct vm_error *err)
{
	struct cursor c = { .rest = embedded->data, .left = embedded->len };
	VM_CLEAN_BUF struct vm_buf inner = { 0 };
	struct signature signature;
	struct key key;

	if (read_signature(&c, &signature, err) == -1 ||
	    find_key(keys, signature.number, &key, err) == -1 ||
	    vm_buf_add(&inner, c.rest, c.left, err) == -1 ||
	    check_text(&key, &signature, inner.data, inner.len, err) == -1)
		return -1;
	vm_buf_release(text);
	*text = inner;
	inner = (struct vm_buf){ 0 };
	return 0;
}
