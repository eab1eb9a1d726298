/*
 * gpgv.h - OpenPGP signatures, checked by the program gpgv(1).
 *
 * What gpgv says on its status descriptor decides (doc/DETAILS of GnuPG), not
 * its exit status alone: at least one good signature of a document by a key of
 * the keyring that is neither expired nor revoked, made with RSA, ECDSA or
 * EdDSA over SHA-256, SHA-384 or SHA-512, and none that is bad.  Signatures by
 * further keys that are not in the keyring do not count.
 */
#ifndef VM_SOURCE_GPGV_H
#define VM_SOURCE_GPGV_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

/* Is the text clearsigned? */
bool vm_gpgv_is_signed(const struct vm_buf *text);

/*
 * Check a detached signature of *text, or (signature NULL) the one *text is
 * clearsigned with: then *text becomes what was signed.  The keyring is what
 * gpg --export prints, armoured or not.  VM_E_DENIED "bad_signature",
 * "unknown_key", "expired_key", "revoked_key", "expired_signature",
 * "weak_signature", "bad_key"; VM_E_UNAVAILABLE "no_program".
 */
int vm_gpgv_verify(const struct vm_buf *keyring, const struct vm_buf *signature,
    struct vm_buf *text, struct vm_error *err) VM_MUST_CHECK;

#endif
