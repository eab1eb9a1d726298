/*
 * naming.h - which alias a source's images have.
 */
#ifndef VM_IMAGE_NAMING_H
#define VM_IMAGE_NAMING_H

#include <stdbool.h>

#include "lib/source/source.h"
#include "lib/store/store.h"

/*
 * The alias whose generations the source's images are: `wanted` (-a), the one
 * that it has, or a new one after its file's name.  The caller's.  VM_E_USAGE.
 */
char *vm_naming_find(struct vm_store *store, const struct vm_source *source,
    const char *wanted, struct vm_error *err) VM_MUST_CHECK;

/* Is there an alias of this name that stands for another source? */
bool vm_naming_is_taken(struct vm_store *store, const struct vm_source *source,
    const char *name);

#endif
