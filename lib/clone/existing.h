/*
 * existing.h - a VM of the wanted name is there already.
 */
#ifndef VM_CLONE_EXISTING_H
#define VM_CLONE_EXISTING_H

#include "lib/clone/clone.h"
#include "lib/store/vm.h"

/*
 * Compare the stored VM with `wanted`, the record of the VM as it would be
 * made.  Returns the stored record with wanted's spec, unknown members and the
 * drift between them; *rebuild says that its disk has never run and its image,
 * disk or machine is wanted otherwise.  VM_E_EXISTS "name_taken" when it is
 * another service's, role's or source's.
 */
struct vm_json *vm_existing_compare(struct vm_store *store,
    const struct vm_clone_options *options, const struct vm_json *wanted,
    bool *rebuild, struct vm_error *err) VM_MUST_CHECK;

/*
 * The stored VM's volumes that `wanted` has larger: make them so, unless the VM
 * is in use (then they stay in its drift).  1: it has changed, compare again;
 * 0: it has not.  VM_E_USAGE "bad_size" when one shall be smaller.
 */
int vm_existing_grow(struct vm_store *store, const struct vm_json *stored,
    const struct vm_json *wanted, struct vm_error *err) VM_MUST_CHECK;

/*
 * Give `wanted` the identity and private part of the stored VM it replaces, a
 * new generation ID, and what its disk was like, where nothing else is asked
 * for; the caller holds its lock.  Started meanwhile: VM_E_TRY_AGAIN "in_use".
 */
int vm_existing_keep(struct vm_store *store,
    const struct vm_clone_options *options, struct vm_json *wanted,
    struct vm_error *err) VM_MUST_CHECK;

#endif
