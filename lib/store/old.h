/*
 * old.h - the disks that upgrades have replaced: old/<vm>.<n>.
 *
 * Each is a VM's whole directory as it was, highest n the newest, its lock the
 * same file as the VM's own.  It belongs to the VM of that name and UUID; it
 * changes places with it (vmupgrade --rollback) and is else only read, until
 * vmgc --old takes it away.
 *
 * What is to take a VM's place is here before: its next directory, known by
 * "upgrade" in its vm.json and by a disk that has never run.  It is customised
 * while the VM still runs (vmcustomize --next) and then exchanged with the VM's
 * directory.  Whoever changes or exchanges it holds locks/next-<vm>.  One that
 * was left by a vmupgrade that was killed is nothing to go back to, and the
 * next upgrade takes it away.
 */
#ifndef VM_STORE_OLD_H
#define VM_STORE_OLD_H

#include "lib/adapt/json.h"
#include "lib/store/lock.h"
#include "lib/store/publish.h"
#include "lib/store/store.h"

/* A next directory, or a VM that was one, which has not been started yet. */
bool vm_old_is_unfinished(const struct vm_json *record);

/*
 * The vm.json of old/<old_name>, the disks' paths as stored: names in its
 * directory.  VM_E_NO_INPUT "old_not_found", VM_E_DATA "vm_damaged",
 * VM_E_CONFIG "version".
 */
struct vm_json *vm_old_load(struct vm_store *store, const char *old_name,
    bool with_private, struct vm_error *err) VM_MUST_CHECK;

/* Replace that vm.json; the caller holds the VM's lock. */
int vm_old_save(struct vm_store *store, const char *old_name,
    const struct vm_json *record, struct vm_error *err) VM_MUST_CHECK;

/*
 * The newest one of this VM (its record) that can be gone back to, or
 * `old_name` if that is one: a name, the caller's.  VM_E_NO_INPUT
 * "old_not_found".
 */
char *vm_old_find(struct vm_store *store, const struct vm_json *vm,
    const char *old_name, struct vm_error *err) VM_MUST_CHECK;

/*
 * Publish a next directory of this VM; its name here, the caller's.  The caller
 * holds locks/upgrade-<vm>.
 */
char *vm_old_add(struct vm_store *store, struct vm_publish *publish,
    const char *vm, struct vm_error *err) VM_MUST_CHECK;

/* The name of the newest next directory of the VM: VM_E_NO_INPUT "no_next". */
char *vm_old_find_next(struct vm_store *store, const char *vm,
    struct vm_error *err) VM_MUST_CHECK;

/* vm_input_resolve, context the store: its vm.json. */
struct vm_json *vm_old_resolve_next(void *store, const char *vm,
    struct vm_error *err) VM_MUST_CHECK;

/* locks/next-<vm>; VM_E_TRY_AGAIN "locked". */
int vm_old_lock_next(struct vm_store *store, const char *vm, uint64_t wait_ms,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * vms/<vm> and old/<old_name> change places; the caller holds the VM's lock.
 * VM_E_TRY_AGAIN "in_use" when vmgc is about to take it.
 */
int vm_old_exchange(struct vm_store *store, const char *vm,
    const char *old_name, struct vm_error *err) VM_MUST_CHECK;

/* Move it to the trash, where it is <old_name>.<n>; the caller's. */
char *vm_old_discard(struct vm_store *store, const char *old_name,
    struct vm_error *err) VM_MUST_CHECK;

/* Remove it: nobody shall go back to it. */
int vm_old_remove(struct vm_store *store, const char *old_name,
    struct vm_error *err) VM_MUST_CHECK;

/* Remove what an upgrade of this VM has left unfinished. */
int vm_old_sweep(struct vm_store *store, const struct vm_json *vm,
    struct vm_error *err) VM_MUST_CHECK;

#endif
