/*
 * network.h - the network cards of clones: MACs, and addresses where they can
 * be known before the guest runs.
 *
 * A card on a private network gets an address from the ledger; a static address
 * of the manifest is expanded for the clone ("10.0.0.{{index+10}}/24").
 */
#ifndef VM_CLONE_NETWORK_H
#define VM_CLONE_NETWORK_H

#include "lib/clone/ledger.h"
#include "lib/record/record.h"

/* Tell the ledger, before it is opened, what record's cards will need. */
int vm_network_want(struct vm_ledger *ledger, const struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The cards for record's spec.networks: a new array for identity.nics.  `old`
 * (NULL or the identity.nics it had) keeps MAC and address of every card whose
 * network is still asked for.  VM_E_SYSTEM "network_full", VM_E_EXISTS
 * "mac_taken", VM_E_DATA "bad_variable".
 */
struct vm_json *vm_network_assign(struct vm_ledger *ledger,
    const struct vm_json *record, const struct vm_json *old,
    struct vm_error *err) VM_MUST_CHECK;

#endif
