/*
 * view_object.h - one object of the store as a record; private to lib/view.
 */
#ifndef VM_VIEW_VIEW_OBJECT_H
#define VM_VIEW_VIEW_OBJECT_H

#include "lib/record/record.h"
#include "lib/store/store.h"
#include "lib/view/view_catalog.h"

/*
 * NULL with VM_E_NO_INPUT: it is not there (any more).  The records are as
 * vm_view_list() describes them.
 */
struct vm_json *vm_view_vm(struct vm_store *store,
    const struct vm_view_catalog *catalog, const char *name, bool usage,
    struct vm_error *err) VM_MUST_CHECK;
struct vm_json *vm_view_image(struct vm_store *store,
    const struct vm_view_catalog *catalog, const char *id, struct vm_error *err)
    VM_MUST_CHECK;
struct vm_json *vm_view_layer(struct vm_store *store,
    const struct vm_view_catalog *catalog, const char *key,
    struct vm_error *err) VM_MUST_CHECK;
struct vm_json *vm_view_volume(struct vm_store *store, const char *id,
    struct vm_error *err) VM_MUST_CHECK;

struct vm_json *vm_view_old(struct vm_store *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/* Add used, refer and, but for VMs, clones. */
int vm_view_set_usage(struct vm_json *record, const struct vm_store *store,
    enum vm_store_dir dir, const char *object, const char *file,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * VM_E_USAGE: `word` is none of `known` (NULL-terminated); the message names
 * the nearest, else all of them.
 */
int vm_view_refuse_word(const char *what, const char *word,
    const char *const *known, struct vm_error *err);

#endif
