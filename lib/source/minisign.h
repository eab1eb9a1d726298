/*
 * minisign.h - signatures of minisign(1) and signify(1), checked in process.
 *
 * Both keep a public key as "untrusted comment: ...", then base64 of "Ed", an
 * 8-byte key number and an Ed25519 key.  A signature is the same with 64 bytes
 * of signature; minisign's "ED" signs the BLAKE2b-512 digest instead of the
 * text, and its third and fourth line are a trusted comment and a signature of
 * signature and comment.  signify -e puts the signed text behind its second
 * line.
 */
#ifndef VM_SOURCE_MINISIGN_H
#define VM_SOURCE_MINISIGN_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

/* Does it look like one of their files (a key or a signature)? */
bool vm_minisign_is_file(const struct vm_buf *file);

/*
 * Check the signature of `text` by one of the keys in `keys` (public key files
 * one after another).  VM_E_DENIED "bad_key", "unknown_key", "bad_signature".
 */
int vm_minisign_verify(const struct vm_buf *keys,
    const struct vm_buf *signature, const struct vm_buf *text,
    struct vm_error *err) VM_MUST_CHECK;

/* The same for a text behind its signature (signify -e): *text is what was
 * signed, replaced on success only. */
int vm_minisign_open(const struct vm_buf *keys, const struct vm_buf *embedded,
    struct vm_buf *text, struct vm_error *err) VM_MUST_CHECK;

#endif
