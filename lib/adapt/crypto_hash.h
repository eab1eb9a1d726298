/*
 * crypto_hash.h - digests (FIPS 180-4) while bytes pass, and random bytes
 * (libcrypto, getrandom).
 */
#ifndef VM_ADAPT_CRYPTO_HASH_H
#define VM_ADAPT_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

enum vm_hash_type {
	VM_HASH_SHA256,
	VM_HASH_SHA512,
	VM_HASH_SHA1 /* finds damage; is no proof of anything */
};

#define VM_HASH_SHA256_HEX 65 /* 64 digits and the NUL */
#define VM_HASH_MAX_HEX 129

struct vm_hash;

struct vm_hash *vm_hash_new(enum vm_hash_type type, struct vm_error *err)
    VM_MUST_CHECK;
int vm_hash_add(struct vm_hash *hash, const void *data, size_t len,
    struct vm_error *err) VM_MUST_CHECK;
/* Lower-case hex of all that was added; the hash starts anew. */
int vm_hash_finish(struct vm_hash *hash, char hex[VM_HASH_MAX_HEX],
    struct vm_error *err) VM_MUST_CHECK;
/* The same of what was added so far, and more may be added. */
int vm_hash_peek(const struct vm_hash *hash, char hex[VM_HASH_MAX_HEX],
    struct vm_error *err) VM_MUST_CHECK;
void vm_hash_free(struct vm_hash *hash);
void vm_hash_clean(struct vm_hash **hash);
#define VM_CLEAN_HASH VM_CLEAN(vm_hash_clean)

/* In one go. */
int vm_hash_sha256(const void *data, size_t len, char hex[VM_HASH_SHA256_HEX],
    struct vm_error *err) VM_MUST_CHECK;

/* From the kernel; VM_E_SYSTEM when it has none. */
int vm_hash_random(void *data, size_t len, struct vm_error *err) VM_MUST_CHECK;

#endif
