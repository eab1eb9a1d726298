/*
 * ledger.h - what no two VMs of a store may have: addresses on a private
 * network, MACs and UUIDs.
 *
 * A batch first says what it will ask for, then opens the ledger: the locks for
 * that are taken, in one order everywhere, so that no two batches wait for each
 * other, and the store's records are read once.  The locks are held until the
 * ledger is freed, which is when what was taken from it is published.
 *
 * A batch that asks for nothing takes no lock, reads nothing and is not held up
 * by any other.  MACs that are made here are 52: and 40 random bits: locally
 * administered (IEEE 802, bit 1 of the first octet), unicast, outside QEMU's
 * own prefix in all but one of 65,536.  They differ within the batch, and from
 * all others of the store where the ledger was read.  Where it was not, one MAC
 * is that of another VM among 10,000 with a chance of one in a hundred million,
 * and `vmdoctor --identity` would say so.
 *
 * A private network NAME of service S is 10.A.B.0/20, A from 64 to 127 and B a
 * multiple of 16, both from SHA-256("S/NAME"); a VM gets the lowest free host
 * number from 11 up, so there are 4,084 of them.
 */
#ifndef VM_CLONE_LEDGER_H
#define VM_CLONE_LEDGER_H

#include "lib/store/store.h"

#define VM_LEDGER_MAC 18     /* "52:54:00:12:34:56" and the NUL */
#define VM_LEDGER_ADDRESS 20 /* "10.127.255.254/20" and the NUL, at least */

struct vm_ledger;

struct vm_ledger *vm_ledger_new(struct vm_store *store, struct vm_error *err)
    VM_MUST_CHECK;
void vm_ledger_free(struct vm_ledger *ledger);
void vm_ledger_clean(struct vm_ledger **ledger);
#define VM_CLEAN_LEDGER VM_CLEAN(vm_ledger_clean)

/* Before it is opened: addresses of the network "SERVICE/NAME" are wanted. */
int vm_ledger_want_network(struct vm_ledger *ledger, const char *network,
    struct vm_error *err) VM_MUST_CHECK;

/* Before it is opened: MACs or UUIDs that somebody gave will be claimed. */
void vm_ledger_want_claims(struct vm_ledger *ledger);

/* Take the locks, read the store: VM_E_TRY_AGAIN "locked" after minutes. */
int vm_ledger_open(struct vm_ledger *ledger, struct vm_error *err)
    VM_MUST_CHECK;

/* The lowest free address; VM_E_SYSTEM "network_full". */
int vm_ledger_take_address(struct vm_ledger *ledger, const char *network,
    char address[VM_LEDGER_ADDRESS], struct vm_error *err) VM_MUST_CHECK;

/* A MAC that nobody gave. */
int vm_ledger_make_mac(struct vm_ledger *ledger, const char *name,
    char mac[VM_LEDGER_MAC], struct vm_error *err) VM_MUST_CHECK;

/*
 * The VM called name shall have this MAC, or UUID: VM_E_EXISTS "mac_taken",
 * "uuid_taken" when another one has it.
 */
int vm_ledger_claim_mac(struct vm_ledger *ledger, const char *mac,
    const char *name, struct vm_error *err) VM_MUST_CHECK;
int vm_ledger_claim_uuid(struct vm_ledger *ledger, const char *uuid,
    const char *name, struct vm_error *err) VM_MUST_CHECK;

#endif
