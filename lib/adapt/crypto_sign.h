/*
 * crypto_sign.h - Ed25519 signatures checked (RFC 8032), BLAKE2b-512 (RFC
 * 7693) and base64 (libcrypto).
 */
#ifndef VM_ADAPT_CRYPTO_SIGN_H
#define VM_ADAPT_CRYPTO_SIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

#define VM_SIGN_KEY 32
#define VM_SIGN_BYTES 64
#define VM_SIGN_BLAKE2B 64

/* Is it this key's signature of the data? */
bool vm_sign_is_good(const unsigned char key[VM_SIGN_KEY],
    const unsigned char signature[VM_SIGN_BYTES], const void *data, size_t len);

/* The digest of the data. */
int vm_sign_blake2b(const void *data, size_t len,
    unsigned char digest[VM_SIGN_BLAKE2B], struct vm_error *err) VM_MUST_CHECK;

/*
 * Decode base64 with its padding and nothing else between (no spaces) into at
 * most `size` bytes; their number, or -1 when it is none or too long.
 */
long vm_sign_decode(const char *text, size_t len, unsigned char *out,
    size_t size);

#endif
