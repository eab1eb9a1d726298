/*
 * crypto_key.h - SSH host keys made on the host (ed25519; libcrypto).
 *
 * The public half in one line ("ssh-ed25519 AAAA... comment", RFC 4253 section
 * 6.6, RFC 8709), the private half in OpenSSH's own format (PROTOCOL.key of
 * OpenSSH, unencrypted), ready for /etc/ssh/ssh_host_ed25519_key.
 */
#ifndef VM_ADAPT_CRYPTO_KEY_H
#define VM_ADAPT_CRYPTO_KEY_H

#include "lib/base/error.h"

#define VM_KEY_PUBLIC_TEXT 256
#define VM_KEY_PRIVATE_TEXT 640

/* A fresh key pair; comment is at most 64 bytes. */
int vm_key_make_ed25519(const char *comment,
    char public_text[VM_KEY_PUBLIC_TEXT],
    char private_text[VM_KEY_PRIVATE_TEXT], struct vm_error *err) VM_MUST_CHECK;

#endif
