/*
 * siblings.h - the further disks of an artifact that has several.
 *
 * The artifact's alias NAME stands for its first disk, which is the one that a
 * VM boots from; disk 2 has the alias NAME-2, and so on.  They come, are pinned
 * and move between generations with the first.
 */
#ifndef VM_IMAGE_SIBLINGS_H
#define VM_IMAGE_SIBLINGS_H

#include <stdbool.h>

#include "lib/adapt/json.h"
#include "lib/store/pin.h"

/* Are the other disks there too?  facts: of one of them, or of a lone one. */
bool vm_siblings_are_there(struct vm_store *store, const struct vm_json *facts);

/*
 * The first disk is about to become alias, from the source as shown: have the
 * others follow.  VM_E_EXISTS "alias_taken" when NAME-2 stands for something
 * that is no second disk; nothing has changed then.
 */
int vm_siblings_follow(struct vm_store *store, const struct vm_json *facts,
    const char *alias, const char *source, struct vm_error *err) VM_MUST_CHECK;

/* Does an alias with this source stand for a further disk? */
bool vm_siblings_is_source(const char *source);

/* The first is being used, and so are the others; as vm_use_note(). */
void vm_siblings_note_use(struct vm_store *store, const struct vm_json *facts);

/* Change the pins of the others as that of the first. */
int vm_siblings_pin(struct vm_store *store, const struct vm_json *facts,
    const struct vm_pin_change *change, struct vm_error *err) VM_MUST_CHECK;

/*
 * For a record: put all disks there as "image.disks": [{"id","alias"?,
 * "virtual_size"},...], when facts are those of the first of several.
 */
int vm_siblings_describe(struct vm_store *store, const struct vm_json *facts,
    const char *alias, struct vm_json *record, struct vm_error *err)
    VM_MUST_CHECK;

#endif
