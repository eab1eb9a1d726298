/*
 * identity.h - what makes a clone itself, written into its guest.
 *
 * Host name (unless an operation sets one), /etc/machine-id, the SSH host keys
 * that the record names (others are removed), the random seed of the next
 * boot, the addresses by MAC, and /etc/vmpipe-release, which says what the
 * clone was made of.  What a guest has no place for is left out; a network
 * that we cannot configure is a warning in the record.
 */
#ifndef VM_GUEST_IDENTITY_H
#define VM_GUEST_IDENTITY_H

#include "lib/guest/ops.h"

/* Everything that decides what is written: for the digest.  A new object. */
struct vm_json *vm_identity_canonical(const struct vm_json *record,
    bool set_hostname, struct vm_error *err) VM_MUST_CHECK;

/*
 * Write it.  record: the VM's, "private" with it.  Warnings (text) are added
 * to the array `warnings`.
 */
int vm_identity_apply(const struct vm_op_context *context,
    const struct vm_json *record, bool set_hostname, struct vm_json *warnings,
    struct vm_error *err) VM_MUST_CHECK;

/* network.c: the part about network cards. */
int vm_network_apply(const struct vm_op_context *context,
    const struct vm_json *record, struct vm_json *warnings,
    struct vm_error *err) VM_MUST_CHECK;

#endif
