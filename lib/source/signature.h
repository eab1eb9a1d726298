/*
 * signature.h - is a file that somebody published signed by a key we trust?
 *
 * OpenPGP by gpgv.h, minisign and signify by minisign.h, as the keyring's file
 * is of the one or the other kind.
 */
#ifndef VM_SOURCE_SIGNATURE_H
#define VM_SOURCE_SIGNATURE_H

#include "lib/source/document.h"

#define VM_SIGNATURE_BY 96

struct vm_signature {
	const char *keyring;   /* path */
	const char *signature; /* URL or path; NULL: inside, or beside it */
	const char *where;     /* the file: URL or path */
	const char *shown;     /* the same for messages */
};

/*
 * Check it; *text is what was signed then, and by[VM_SIGNATURE_BY] is
 * "signature:" and the keyring's SHA-256.  The source is whose credentials may
 * be sent where (document.h).  VM_E_DENIED "no_signature" and what gpgv.h and
 * minisign.h say.
 */
int vm_signature_check(const struct vm_signature *signature,
    const struct vm_source *source, const struct vm_reach *reach,
    struct vm_buf *text, char *by, struct vm_error *err) VM_MUST_CHECK;

/*
 * Take the armour of a clearsigned text off, unchecked: for where nothing says
 * by whom it should be.  Other text stays.
 */
int vm_signature_strip(struct vm_buf *text, struct vm_error *err) VM_MUST_CHECK;

#endif
