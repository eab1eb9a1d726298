/*
 * view_note.h - what else is to be said of an object in a tree; private to
 * lib/view.
 */
#ifndef VM_VIEW_VIEW_NOTE_H
#define VM_VIEW_VIEW_NOTE_H

#include "lib/record/record.h"
#include "lib/store/store.h"

/*
 * Set record's "note", if there is anything: of an image that it is current,
 * pinned, leased; of a VM how its disk was made, of what VM it is a copy, in
 * what it has drifted, its snapshots; of a volume where it is mounted; of an
 * old disk or a removed VM the command that brings it back.
 */
int vm_view_note(struct vm_store *store, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

#endif
