/*
 * catalog.h - lists of images by name, and finding one in them.
 *
 * Two formats are read, told apart by what is in them: the index of
 * virt-builder(1) (catalog_index.h) and simplestreams (catalog_streams.h).
 * Each entry that is for this machine's architecture and has the name is a
 * candidate; the newest is taken.  Names are compared in lower case, with
 * hyphens for slashes, colons and blanks, so that "ubuntu/24.04" is
 * "ubuntu-24.04", which can also be an alias.
 */
#ifndef VM_SOURCE_CATALOG_H
#define VM_SOURCE_CATALOG_H

#include <stdbool.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/adapt/json.h"
#include "lib/base/buf.h"
#include "lib/base/nearest.h"
#include "lib/source/signature.h"

#define VM_CATALOG_MAX ((size_t)16 << 20)
#define VM_CATALOG_NAME 64

/* One image of a catalogue; strings are borrowed, "" where it says nothing. */
struct vm_catalog_item {
	const char *own_name;	       /* one, or ... */
	const char *short_name;	       /* for lists; NULL: that */
	const char *aliases;	       /* more of them */
	const char *separators;	       /* between these */
	const char *os;		       /* also in front of an alias */
	const char *arch, *version;    /* versions compare as strverscmp(3) */
	const char *place;	       /* relative, or a URL */
	enum vm_hash_type digest_type; /* of what is there */
	const char *digest;	       /* hex */
	const char *format;	       /* "raw", "qcow2" */
};

/* What is looked for, and what was found. */
struct vm_catalog_search {
	char name[VM_CATALOG_NAME]; /* as compared */
	struct vm_json *list;	    /* or not NULL: all names are put here */
	bool found;
	char *place; /* URL or path */
	char version[VM_CATALOG_NAME];
	enum vm_hash_type digest_type;
	char digest[VM_HASH_MAX_HEX]; /* "" : none */
	const char *format;	      /* or NULL */
	struct vm_nearest nearest;    /* of names that there are */
	char near[VM_NEAREST_MAX + 1];
};

/* A document of a catalogue: where it was, and by whom it is vouched for. */
struct vm_catalog_source {
	const char *where; /* URL or path */
	const char *keyring;
	const struct vm_reach *reach;
	char by[VM_SIGNATURE_BY]; /* "catalog" or "signature:HEX" */
};

/* VM_E_USAGE "bad_name" for what cannot be one. */
int vm_catalog_search_init(struct vm_catalog_search *search, const char *name,
    struct vm_error *err) VM_MUST_CHECK;
void vm_catalog_search_release(struct vm_catalog_search *search);
#define VM_CLEAN_SEARCH VM_CLEAN(vm_catalog_search_release)

/* "Ubuntu/24.04" is "ubuntu-24.04"; cut at the size. */
void vm_catalog_fold(const char *name, size_t len, char out[VM_CATALOG_NAME]);

/*
 * Look the name up; search->found says whether it is there.  A "by" is filled
 * in.  VM_E_DENIED "insecure" (by plain http and not signed); VM_E_DATA
 * "bad_catalog", "ambiguous" (the same version twice); what document.h and
 * signature.h say.
 */
int vm_catalog_find(struct vm_catalog_source *catalog,
    struct vm_catalog_search *search, struct vm_error *err) VM_MUST_CHECK;

/* Add the names of all its images for this machine to an array of strings. */
int vm_catalog_list(struct vm_catalog_source *catalog, struct vm_json *names,
    struct vm_error *err) VM_MUST_CHECK;

/* --- for the formats ------------------------------------------------------ */

/* Read and verify a document of it. */
int vm_catalog_read(struct vm_catalog_source *catalog, const char *where,
    struct vm_buf *text, struct vm_error *err) VM_MUST_CHECK;

/* Consider an image; base is what its place is relative to. */
int vm_catalog_offer(struct vm_catalog_search *search,
    const struct vm_catalog_item *item, const char *base, struct vm_error *err)
    VM_MUST_CHECK;

/* `place` beside `base`, both URLs or paths: the caller's. */
char *vm_catalog_join(const char *base, const char *place, struct vm_error *err)
    VM_MUST_CHECK;

/* "%s: what", VM_E_DATA "bad_catalog". */
int vm_catalog_refuse(const char *where, const char *what,
    struct vm_error *err);

#endif
