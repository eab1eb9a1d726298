/*
 * crypto_key.h - SSH host keys made on the host (libcrypto).
 *
 * The public half in one line ("ssh-ed25519 AAAA... comment", RFC 4253 section
 * 6.6, RFC 5656 section 3.1, RFC 8709), the private half in OpenSSH's own
 * format (PROTOCOL.key of OpenSSH, unencrypted), ready for
 * /etc/ssh/ssh_host_TYPE_key.
 */
#ifndef VM_ADAPT_CRYPTO_KEY_H
#define VM_ADAPT_CRYPTO_KEY_H

#include "lib/base/clean.h"
#include "lib/base/error.h"

#define VM_KEY_PUBLIC_TEXT 1024
#define VM_KEY_PRIVATE_TEXT 4096

enum vm_key_type {
	VM_KEY_ED25519,
	VM_KEY_ECDSA, /* on NIST's curve P-256 */
	VM_KEY_RSA,   /* of 3,072 bits; takes half a second */
	VM_KEY_TYPES
};

struct vm_key {
	char public[VM_KEY_PUBLIC_TEXT];
	char private[VM_KEY_PRIVATE_TEXT];
};

/* "ed25519", "ecdsa", "rsa": as in the names of sshd's files. */
const char *vm_key_name(enum vm_key_type type);

/* VM_E_USAGE "bad_key_type". */
int vm_key_parse_type(const char *name, enum vm_key_type *type,
    struct vm_error *err) VM_MUST_CHECK;

/* A fresh key pair; comment is one line of at most 64 bytes.  Thread-safe. */
int vm_key_make(enum vm_key_type type, const char *comment, struct vm_key *key,
    struct vm_error *err) VM_MUST_CHECK;

/* Nothing of the private half stays in memory. */
void vm_key_release(struct vm_key *key);
#define VM_CLEAN_KEY VM_CLEAN(vm_key_release)

#endif
