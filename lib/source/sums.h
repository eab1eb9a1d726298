/*
 * sums.h - the digest of one file in a publisher's file of checksums.
 *
 * The forms: GNU ("HEX  name", "HEX *name", a backslash in front when the name
 * is escaped), BSD ("SHA256 (name) = HEX"), and bare (nothing but one digest).
 * Empty lines and those that begin with # are passed over, as is any line that
 * is of none of these forms.  Of a clearsigned text (RFC 4880 section 7) only
 * what was signed is looked at.  The algorithm of the GNU and bare forms
 * follows from the length; digests weaker than SHA-256 are no digests.
 */
#ifndef VM_SOURCE_SUMS_H
#define VM_SOURCE_SUMS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/base/error.h"

#define VM_SUMS_MAX ((size_t)1 << 20) /* bytes of such a file */

struct vm_sums {
	enum vm_hash_type type;
	char hex[VM_HASH_MAX_HEX]; /* lower case */
	bool is_bare;		   /* there is no name beside it */
};

/*
 * The digest of the file called `name` (no directories; "./" before a name in
 * the text is ignored).  When several kinds are given, the SHA-256, by which
 * the store knows images.  VM_E_DATA "bad_checksums" (NUL bytes, a signed text
 * that does not end, two different digests of one kind), "not_in_checksums".
 */
int vm_sums_find(const char *text, size_t len, const char *name,
    struct vm_sums *sums, struct vm_error *err) VM_MUST_CHECK;

#endif
