/*
 * crypto_hmac.h - HMAC-SHA-256 (RFC 2104, FIPS 198-1; libcrypto).
 */
#ifndef VM_ADAPT_CRYPTO_HMAC_H
#define VM_ADAPT_CRYPTO_HMAC_H

#include <stddef.h>

#include "lib/base/error.h"

#define VM_HMAC_BYTES 32

/* The code of data under key; VM_E_BUG when libcrypto refuses. */
int vm_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, unsigned char code[VM_HMAC_BYTES], struct vm_error *err)
    VM_MUST_CHECK;

#endif
