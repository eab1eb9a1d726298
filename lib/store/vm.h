/*
 * vm.h - VMs in vms/<name>/ and their vm.json.
 *
 * A VM's lock is its correctness: whoever changes, starts or removes it holds
 * vms/<name>/lock exclusively; the QEMU that runs it inherits the descriptor,
 * so "the lock is held" means "busy or running".  The lock file is hard-linked
 * into every replacement of the directory.
 *
 * In vm.json paths are relative to the VM's directory; loading makes them
 * absolute, and "host" the name of this host.  "private" is loaded only where
 * asked for.
 */
#ifndef VM_STORE_VM_H
#define VM_STORE_VM_H

#include "lib/adapt/json.h"
#include "lib/store/lock.h"
#include "lib/store/publish.h"
#include "lib/store/store.h"

/*
 * vm.json as a record; VM_E_NO_INPUT "vm_not_found" (hint: vmls), VM_E_DATA
 * "vm_damaged" when vm.json is missing or unreadable, VM_E_CONFIG "version".
 */
struct vm_json *vm_vm_load(struct vm_store *store, const char *name,
    bool with_private, struct vm_error *err) VM_MUST_CHECK;

/*
 * Replace vm.json (0600) with this record, paths made relative.  A record
 * without "private" or lineage.h's members keeps what was stored; the caller
 * holds the lock.
 */
int vm_vm_save(struct vm_store *store, const struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

/* The bytes of vm.json for an object still being built (paths relative). */
int vm_vm_format(const struct vm_json *record, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

/* The paths of a record's disks as they are printed. */
int vm_vm_make_absolute(const struct vm_store *store, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

/* Lock it; VM_E_TRY_AGAIN "in_use" when it runs or is worked on. */
int vm_vm_lock(struct vm_store *store, const char *name, uint64_t wait_ms,
    struct vm_error *err) VM_MUST_CHECK;

/* The same beside others who only read: nobody starts or changes it. */
int vm_vm_lock_shared(struct vm_store *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/* 1: its lock is held (running or being worked on), 0: free, -1: error. */
int vm_vm_is_busy(struct vm_store *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Does the record agree with the store in its facts (name, uuid, image id,
 * disks), as far as it has them?  VM_E_EXISTS "stale_record" with what differs.
 */
int vm_vm_check_facts(const struct vm_json *stored,
    const struct vm_json *record, struct vm_error *err) VM_MUST_CHECK;

/*
 * The name, in the VM's own directory, of the file of one of its record's
 * disks ("disk.qcow2", "disk.raw", "data.qcow2"): borrowed from the record.
 * disk may be NULL: "disk.qcow2".
 */
const char *vm_vm_disk_file(const struct vm_json *disk) VM_MUST_CHECK;

/*
 * May its disk be built again, and what is on it go?  VM_E_EXISTS
 * "has_snapshots" when somebody keeps a moment of it (vmsnap).
 */
int vm_vm_check_rebuild(struct vm_store *store, const struct vm_json *stored,
    struct vm_error *err) VM_MUST_CHECK;

/* vm_input_resolve: context is the store. */
struct vm_json *vm_vm_resolve(void *store, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * {"db":["10.0.0.1",...],...}: the first known address of each VM of one
 * service, by role and in the order of the indices.
 */
struct vm_json *vm_vm_addresses(struct vm_store *store, const char *service,
    struct vm_error *err) VM_MUST_CHECK;

#endif
