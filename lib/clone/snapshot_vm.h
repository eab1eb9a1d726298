/*
 * snapshot_vm.h - one VM, its qcow2 disks and the snapshots in them.
 */
#ifndef VM_CLONE_SNAPSHOT_VM_H
#define VM_CLONE_SNAPSHOT_VM_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/adapt/json.h"
#include "lib/disk/snapshots.h"
#include "lib/qemu/live.h"
#include "lib/store/store.h"

struct vm_snapshot_disk {
	size_t index;	  /* in the record's disks */
	const char *file; /* in the VM's directory */
	struct vm_snapshots snapshots;
};

struct vm_snapshot_vm {
	struct vm_store *store; /* borrowed */
	struct vm_json *record; /* as stored, with its private part */
	const char *name;
	int dir_fd;
	int lock_fd;	 /* -1: it runs, or was opened to be looked at */
	const char *raw; /* the file of a raw disk of its own, or NULL */
	struct vm_snapshot_disk disks[VM_LIVE_MAX];
	size_t count;
};

#define VM_SNAPSHOT_VM_CLOSED                                                  \
	{                                                                      \
		.dir_fd = -1, .lock_fd = -1                                    \
	}

/*
 * Open it to be changed: its lock is taken, or it runs (lock_fd is -1 then).
 * VM_E_TRY_AGAIN "in_use" when neither, VM_E_NO_INPUT "vm_not_found".
 */
int vm_snapshot_vm_open(struct vm_store *store, const char *name,
    struct vm_snapshot_vm *vm, struct vm_error *err) VM_MUST_CHECK;

/* Open it to be looked at. */
int vm_snapshot_vm_look(struct vm_store *store, const char *name,
    struct vm_snapshot_vm *vm, struct vm_error *err) VM_MUST_CHECK;

void vm_snapshot_vm_close(struct vm_snapshot_vm *vm);
#define VM_CLEAN_SNAPSHOT_VM VM_CLEAN(vm_snapshot_vm_close)

/* Read the disks' snapshots again. */
int vm_snapshot_vm_read(struct vm_snapshot_vm *vm, struct vm_error *err)
    VM_MUST_CHECK;

/* The indices of the disks that have it; how many. */
size_t vm_snapshot_vm_find(const struct vm_snapshot_vm *vm, const char *tag,
    size_t indices[VM_LIVE_MAX]);

/* VM_E_NO_INPUT "snapshot_not_found"; -1. */
int vm_snapshot_vm_miss(const struct vm_snapshot_vm *vm, const char *tag,
    struct vm_error *err);

/*
 * Put "tag", "created" (of the first disk), "size" (of all disks then),
 * "vm_state" ("yes" or "no": a machine saved with them) and "state" ("complete"
 * or "partial") into an object.
 */
int vm_snapshot_vm_describe(const struct vm_snapshot_vm *vm, const char *tag,
    struct vm_json *record, struct vm_error *err) VM_MUST_CHECK;

/*
 * Of a copy dir_fd/file, open as fd: a VM's snapshots are its own, and secrets
 * may be in them, so its copy has none.
 */
int vm_snapshot_vm_drop(int dir_fd, const char *file, int fd,
    struct vm_error *err) VM_MUST_CHECK;

#endif
