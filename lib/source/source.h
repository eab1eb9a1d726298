/*
 * source.h - where an image comes from, as typed or as the manifest says.
 *
 * A URL keeps its user and password only in `location`, which is never shown,
 * stored or passed to another program; `shown` is the rest of it.  What cannot
 * be asked for as it stands (s3:, oci:) becomes a URL in origin.h, when it is
 * asked.  Paths are made absolute, so that an alias means the same file
 * wherever it is used.
 */
#ifndef VM_SOURCE_SOURCE_H
#define VM_SOURCE_SOURCE_H

#include <stdbool.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/adapt/json.h"
#include "lib/base/clean.h"
#include "lib/base/error.h"

enum vm_source_kind {
	VM_SOURCE_HTTP,	 /* http, https, ftp, ftps */
	VM_SOURCE_SSH,	 /* ssh.h */
	VM_SOURCE_S3,	 /* s3.h */
	VM_SOURCE_OCI,	 /* oci.h */
	VM_SOURCE_FILE,	 /* a path, file: */
	VM_SOURCE_STDIN, /* "-" */
	VM_SOURCE_STORE	 /* an alias, name@N or an id */
};

enum vm_pull { VM_PULL_MISSING, VM_PULL_ALWAYS, VM_PULL_NEVER };

#define VM_SOURCE_MIRRORS 16 /* at most */

/* Another URL of the same file. */
struct vm_source_mirror {
	char *location, *shown; /* as in vm_source */
};

struct vm_source {
	enum vm_source_kind kind;
	char *location;	 /* may hold a password */
	char *shown;	 /* fit for messages and the store */
	char *checksums; /* URL, path or "auto"; NULL: as trust.h says */
	char *signature; /* of these: URL or path, or NULL */
	char *keyring;	 /* path, or NULL */
	enum vm_hash_type digest_type;
	char digest[VM_HASH_MAX_HEX]; /* lower case; "" when not pinned */
	struct vm_source_mirror mirrors[VM_SOURCE_MIRRORS];
	size_t mirror_count;
	char voucher[96]; /* who gave it: vm_trust's "by"; "": the user */
	bool plain;	  /* s3, oci: by http, not https */
	enum vm_pull pull;
	const char
	    *format; /* by its name: as inspect.h, "tar", "ovf"; or NULL */
};

/*
 * Parse text as an operand or spec.image.source; a relative path is meant from
 * `directory` (NULL: the working directory).  VM_E_USAGE "bad_url".
 */
int vm_source_parse(const char *text, const char *directory,
    struct vm_source *source, struct vm_error *err) VM_MUST_CHECK;

/* The same from a role's "image": {"source","checksum","checksums",
 * "signature","keyring","pull"}. */
int vm_source_parse_role(const struct vm_json *role, const char *directory,
    struct vm_source *source, struct vm_error *err) VM_MUST_CHECK;

/* Take users and passwords out of a role's URLs: a record goes far. */
int vm_source_hide_role(struct vm_json *role, struct vm_error *err)
    VM_MUST_CHECK;

/* "sha256:HEX" or "sha512:HEX" (no upper case); VM_E_USAGE "bad_digest". */
int vm_source_pin(struct vm_source *source, const char *checksum,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Say how it shall be verified (each may be NULL: unchanged); relative paths
 * are meant from `directory` (NULL: the working directory).
 */
int vm_source_set_trust(struct vm_source *source, const char *directory,
    const char *checksums, const char *signature, const char *keyring,
    struct vm_error *err) VM_MUST_CHECK;

/* Another URL (http, https, ftp, ftps) of it; VM_E_USAGE "bad_url". */
int vm_source_add_mirror(struct vm_source *source, const char *url,
    struct vm_error *err) VM_MUST_CHECK;

/* Does it come over the network? */
bool vm_source_is_remote(const struct vm_source *source);

/* Sent in the clear, so that only a digest can make it trustworthy. */
bool vm_source_is_plain(const struct vm_source *source);

/*
 * A name for it, from its file's name: ".../Debian_12.qcow2.xz" is
 * "debian_12".  The caller's.
 */
char *vm_source_name(const struct vm_source *source, struct vm_error *err)
    VM_MUST_CHECK;

/* The disk format that a file's name promises, as in inspect.h, or NULL. */
const char *vm_source_format(const char *name);

void vm_source_release(struct vm_source *source);
#define VM_CLEAN_SOURCE VM_CLEAN(vm_source_release)

#endif
