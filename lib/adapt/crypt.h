/*
 * crypt.h - password hashes as /etc/shadow holds them (libcrypt, crypt(5)).
 */
#ifndef VM_ADAPT_CRYPT_H
#define VM_ADAPT_CRYPT_H

#include "lib/base/error.h"

#define VM_CRYPT_TEXT 384 /* the longest hash and its NUL */

/*
 * Hash a password with sha512crypt, which every Linux guest understands, and
 * a fresh salt.  VM_E_DATA "bad_password" when it is empty or longer than
 * crypt(3) takes.
 */
int vm_crypt_hash(const char *password, char hash[VM_CRYPT_TEXT],
    struct vm_error *err) VM_MUST_CHECK;

#endif
