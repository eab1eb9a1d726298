/*
 * named.h - a name that is looked up in catalogues.
 *
 * What the store has under an alias is that, and nobody is asked.  A name that
 * it does not know is looked up in the catalogues given (else those in
 * $VMPIPE_CATALOG), one after the other; what is found is fetched under this
 * alias, which keeps where it came from.  A refresh of such an alias asks its
 * own catalogue again, with the keyring it was signed by then; an alias of
 * another origin is never looked up.
 */
#ifndef VM_IMAGE_NAMED_H
#define VM_IMAGE_NAMED_H

#include "lib/image/fetch.h"

struct vm_named {
	bool found;
	bool is_stale;	 /* no catalogue can be asked: what is here will do */
	bool is_strange; /* on another server: no credentials of ours */
	char *alias;
	struct vm_json *catalog; /* to be noted with the alias */
};

/*
 * Is the text such a name with a slash in it, "ubuntu/24.04", and no path?
 * Then out[64] gets it as an alias, "ubuntu-24.04".
 */
bool vm_named_fold(const char *text, size_t catalog_count, char *out);

/*
 * Look up what the source names, if it shall be: the source is the image then,
 * with its digest.  VM_E_NO_INPUT "not_in_catalog", with the nearest name; what
 * catalog.h says.
 */
int vm_named_find(struct vm_store *store, char **catalogs, size_t catalog_count,
    const struct vm_fetch_options *options, struct vm_source *source,
    struct vm_named *named, struct vm_error *err) VM_MUST_CHECK;

/*
 * All names that the catalogues have for this machine: an array of strings, the
 * caller's.  keyring: they must be signed by, or NULL.
 */
struct vm_json *vm_named_list(char **catalogs, size_t catalog_count,
    const char *keyring, const struct vm_fetch_options *options,
    struct vm_error *err) VM_MUST_CHECK;

/* It was fetched as this alias: note where that is looked up again. */
int vm_named_note(struct vm_store *store, const struct vm_named *named,
    const char *alias, struct vm_error *err) VM_MUST_CHECK;

void vm_named_release(struct vm_named *named);
#define VM_CLEAN_NAMED VM_CLEAN(vm_named_release)

#endif
