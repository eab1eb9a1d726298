/*
 * alias.h - names of sources and their generations: aliases/<name>.
 *
 * A JSON file {"name","source","current":4,"generations":{"1":{"id",
 * "fetched","source"},...},"trust"?,"catalog"?}.  name@N is a generation, the
 * bare name the current one.  Moving back to an older generation is the
 * rollback; the next new generation gets a number never used before.
 */
#ifndef VM_STORE_ALIAS_H
#define VM_STORE_ALIAS_H

#include "lib/adapt/json.h"
#include "lib/store/image.h"
#include "lib/store/store.h"

struct vm_alias {
	char name[64];
	unsigned generation;
	char id[VM_IMAGE_ID + 8];
};

/* Name rules of record.h, dots and underscores allowed too. */
int vm_alias_check_name(const char *name, struct vm_error *err) VM_MUST_CHECK;

/*
 * Resolve "name", "name@N", or an image id (a unique prefix of at least 8
 * digits).  VM_E_NO_INPUT "alias_not_found".
 */
int vm_alias_resolve(struct vm_store *store, const char *text,
    struct vm_alias *alias, struct vm_error *err) VM_MUST_CHECK;

/*
 * Make id the current generation of name: an existing generation with this id
 * becomes current, else a new one is added.  Under the alias's lock.
 */
int vm_alias_set(struct vm_store *store, const char *name, const char *id,
    const char *source, struct vm_alias *alias, struct vm_error *err)
    VM_MUST_CHECK;

/* The alias file's JSON, or NULL with VM_E_NO_INPUT. */
struct vm_json *vm_alias_load(struct vm_store *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * How the alias's source shall be verified the next time, an object that names
 * it in "source".  Images come and go, this stays.
 */
int vm_alias_set_trust(struct vm_store *store, const char *name,
    const struct vm_json *trust, struct vm_error *err) VM_MUST_CHECK;

/* The same of this source, from the alias `first` if it has any, else from
 * another one: the caller's, or NULL (no error). */
struct vm_json *vm_alias_trust(struct vm_store *store, const char *first,
    const char *source);

/*
 * Where its images are looked up, an object that names the image of which the
 * catalogue spoke in "source".
 */
int vm_alias_set_catalog(struct vm_store *store, const char *name,
    const struct vm_json *catalog, struct vm_error *err) VM_MUST_CHECK;

/*
 * A further disk of an artifact that has several has an alias of its own, with
 * the source "disk N of SOURCE": SOURCE and N.  Any other source is itself and
 * disk 1.
 */
const char *vm_alias_artifact(const char *source, unsigned *disk);

/* The alias whose source is this URL or path, or NULL (no error) if none. */
char *vm_alias_of_source(struct vm_store *store, const char *source,
    struct vm_error *err) VM_MUST_CHECK;

#endif
