/*
 * snapshot_note.h - what the record said of the disks when a snapshot was made.
 *
 * A VM's record says what was applied to its disks, and vmcustomize and
 * vmupgrade go by that.  Disks that go back have what was applied then, so that
 * is kept beside them, as snapshot-TAG.json in the VM's directory: it goes
 * where the directory goes.
 */
#ifndef VM_CLONE_SNAPSHOT_NOTE_H
#define VM_CLONE_SNAPSHOT_NOTE_H

#include "lib/clone/snapshot_vm.h"

/* Keep it for this tag, before the snapshot is made; an older one goes. */
int vm_snapshot_note_write(const struct vm_snapshot_vm *vm, const char *tag,
    struct vm_error *err) VM_MUST_CHECK;

/* What has no snapshot any more needs none; it stays if it cannot go. */
void vm_snapshot_note_remove(const struct vm_snapshot_vm *vm, const char *tag);

/*
 * Set the record's "applied" to what it was then.  A snapshot of which nothing
 * was kept, as of an older vmpipe or of qemu-img, leaves it as it is.
 */
int vm_snapshot_note_restore(struct vm_snapshot_vm *vm, const char *tag,
    struct vm_error *err) VM_MUST_CHECK;

#endif
