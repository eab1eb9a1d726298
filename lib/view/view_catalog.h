/*
 * view_catalog.h - which alias an image belongs to, which image an alias means.
 */
#ifndef VM_VIEW_VIEW_CATALOG_H
#define VM_VIEW_VIEW_CATALOG_H

#include "lib/adapt/json.h"
#include "lib/store/store.h"

struct vm_view_catalog {
	struct vm_json *images;	 /* id: {alias, generation, current, source} */
	struct vm_json *current; /* alias: id */
};

/* Aliases that cannot be read are logged and left out. */
int vm_view_catalog_load(struct vm_store *store,
    struct vm_view_catalog *catalog, struct vm_error *err) VM_MUST_CHECK;
void vm_view_catalog_release(struct vm_view_catalog *catalog);
#define VM_CLEAN_CATALOG VM_CLEAN(vm_view_catalog_release)

/* {alias, generation, current, source}, or NULL when no alias means it. */
const struct vm_json *vm_view_catalog_image(
    const struct vm_view_catalog *catalog, const char *id);
/* The id an alias means now, or NULL. */
const char *vm_view_catalog_current(const struct vm_view_catalog *catalog,
    const char *alias);

/* "debian-12@4", or the first 12 digits of the id. */
#define VM_VIEW_NAME 96
char *vm_view_image_name(const struct vm_view_catalog *catalog, const char *id,
    char out[VM_VIEW_NAME]);

#endif
