/*
 * network.h - the network cards of clones: MACs, and addresses where they can
 * be known before the guest runs.
 *
 * A private network NAME of service S is 10.A.B.0/20, A from 64 to 127 and B a
 * multiple of 16, both from SHA-256("S/NAME"); a VM gets the lowest free host
 * number from 11 up.  What is in use is read from the store under the
 * network's own lock, held until the clones are published.  A static address
 * of the manifest is expanded for the clone ("10.0.0.{{index+10}}/24").
 *
 * MACs are 52: and 40 random bits: locally administered (IEEE 802, bit 1 of the
 * first octet), unicast, outside QEMU's own prefix in all but one of 65,536.
 */
#ifndef VM_CLONE_NETWORK_H
#define VM_CLONE_NETWORK_H

#include "lib/record/record.h"
#include "lib/store/store.h"

struct vm_network;

/* What a batch knows of the networks it has used; locks are held till free. */
struct vm_network *vm_network_new(struct vm_store *store, struct vm_error *err)
    VM_MUST_CHECK;
void vm_network_free(struct vm_network *network);
void vm_network_clean(struct vm_network **network);
#define VM_CLEAN_NETWORK VM_CLEAN(vm_network_clean)

/*
 * The cards for record's spec.networks: a new array for identity.nics.  `old`
 * (NULL or the identity.nics it had) keeps MAC and address of every card whose
 * network is still asked for.  VM_E_SYSTEM "network_full", VM_E_EXISTS
 * "mac_taken", VM_E_DATA "bad_variable".
 */
struct vm_json *vm_network_assign(struct vm_network *network,
    const struct vm_json *record, const struct vm_json *old,
    struct vm_error *err) VM_MUST_CHECK;

#endif
