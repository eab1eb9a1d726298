/*
 * trust.h - which bytes are the right ones, decided before they are asked for.
 *
 * A source is pinned to a digest: the one that its user gave, or the one in a
 * publisher's file of checksums, whose signature is checked when there is a
 * keyring.  From then on only the digest counts, whoever sends the bytes.
 *
 *	--checksum HEX                  nothing is asked for
 *	--checksums FILE|URL            that file; it must hold the image
 *	--checksums auto                a file of a usual name beside the image
 *	nothing, and the URL is https   the same, and none is fine
 *	--keyring FILE                  the file of checksums must be signed:
 *	                                inside (clearsigned, signify -e), by
 *	                                --signature, or by a file beside it
 */
#ifndef VM_IMAGE_TRUST_H
#define VM_IMAGE_TRUST_H

#include <stdbool.h>

#include "lib/adapt/json.h"
#include "lib/source/source.h"
#include "lib/store/store.h"

struct vm_fetch_options;

enum vm_verify {
	VM_VERIFY_USUAL,     /* as above */
	VM_VERIFY_NO,	     /* checksums that nobody named are not used */
	VM_VERIFY_CHECKSUM,  /* there must be a digest */
	VM_VERIFY_SIGNATURE, /* and a signature */
};

/* "no", "checksum" or "signature"; VM_E_USAGE. */
int vm_trust_parse_verify(const char *word, enum vm_verify *verify,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * How an image was verified.  In image.json that is "trust": {"by", "source",
 * "checksums"?, "signature"?, "keyring"?}, with what was asked for.
 */
struct vm_trust {
	/* "", "digest", "registry" (origin.h), "catalog", "checksums", or
	 * "signature:" and the keyring's SHA-256 */
	char by[96];
};

/*
 * What is asked for, {"source", "checksums"?, "signature"?, "keyring"?}, to be
 * kept with the alias for vm_trust_recall(): the caller's.
 */
struct vm_json *vm_trust_describe(const struct vm_source *source,
    struct vm_error *err) VM_MUST_CHECK;

/* Write it into the image's file, unless it says so or `by` is "". */
int vm_trust_note(struct vm_store *store, const char *id,
    const struct vm_source *source, const struct vm_trust *trust,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * What was asked for when the source was fetched before is asked for again,
 * unless the user gives a digest or says --verify=no: so a refresh never trusts
 * less.  Other checksums, or another keyring, take the place of the former
 * ones.  The strings are borrowed from the object.
 */
void vm_trust_recall(const struct vm_json *trust,
    const struct vm_fetch_options *options, struct vm_source *source);

/* VM_E_USAGE when what is asked for cannot be had together. */
int vm_trust_check(const struct vm_source *source,
    const struct vm_fetch_options *options, struct vm_error *err) VM_MUST_CHECK;

/*
 * Would anybody on the way be able to change it?  VM_E_DENIED "insecure" for
 * plain http without a digest from elsewhere and without a signature, for
 * checksums by plain http that are not signed, wherever the image is, and for
 * credentials in the clear.
 */
int vm_trust_check_way(const struct vm_source *source,
    const struct vm_fetch_options *options, struct vm_error *err) VM_MUST_CHECK;

/*
 * Is an image with these facts verified as it is asked for now?  `origin` is
 * where it comes from, as shown (NULL: not known): a signature says which name
 * the bytes have, so one that was checked for another source does not count.
 */
bool vm_trust_is_met(const struct vm_source *source, const char *origin,
    const struct vm_fetch_options *options, const struct vm_json *facts);

/*
 * Fill source->digest in, unless it is there or there are no checksums and
 * need not be.  VM_E_NO_INPUT "no_checksums"; VM_E_DENIED "no_signature" and
 * what gpgv.h and minisign.h say; what sums.h says; what vm_http_get() says.
 */
int vm_trust_pin(struct vm_source *source,
    const struct vm_fetch_options *options, struct vm_trust *trust,
    struct vm_error *err) VM_MUST_CHECK;

#endif
