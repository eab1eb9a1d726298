/*
 * crypto_key_pair.h - the numbers of an SSH key, as RFC 4251 section 5 writes
 * them: what crypto_key.c puts into its two texts.
 */
#ifndef VM_ADAPT_CRYPTO_KEY_PAIR_H
#define VM_ADAPT_CRYPTO_KEY_PAIR_H

#include "lib/adapt/crypto_key.h"
#include "lib/base/buf.h"

struct vm_key_pair {
	struct vm_buf public;  /* the blob behind the type in a .pub file */
	struct vm_buf private; /* the key of PROTOCOL.key, without comment */
};

/* The word before the blob: "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa". */
const char *vm_key_pair_algorithm(enum vm_key_type type);

int vm_key_pair_make(enum vm_key_type type, struct vm_key_pair *pair,
    struct vm_error *err) VM_MUST_CHECK;

/* A "string": a big-endian length of 32 bits and the bytes. */
int vm_key_pair_add(struct vm_buf *buf, const void *data, size_t len,
    struct vm_error *err) VM_MUST_CHECK;

/* Wipes what it frees; all-zero is an empty pair. */
void vm_key_pair_release(struct vm_key_pair *pair);
#define VM_CLEAN_KEY_PAIR VM_CLEAN(vm_key_pair_release)

#endif
