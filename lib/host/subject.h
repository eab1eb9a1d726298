/*
 * subject.h - the VM a record speaks of: the store's facts, the record's spec.
 */
#ifndef VM_HOST_SUBJECT_H
#define VM_HOST_SUBJECT_H

#include "lib/adapt/json.h"
#include "lib/base/error.h"
#include "lib/store/store.h"

/* VM_E_DATA "not_a_vm" for an image record and the like. */
int vm_subject_check_kind(const struct vm_json *record, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Put the facts of vm.json (image, disks, identity, state, run and so on) into
 * the record; all else stays.  As vm_subject_check_kind(), and
 * VM_E_NO_INPUT "vm_not_found", VM_E_EXISTS "stale_record".
 */
int vm_subject_refresh(struct vm_store *store, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Set state and save it when the lock of the VM, which runs no more, can be
 * had; otherwise somebody else is already at work and will say.  An ephemeral
 * VM is removed, and its state is "removed".
 */
int vm_subject_note_stopped(struct vm_store *store, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

#endif
