/*
 * identity.h - what makes a clone itself: UUID, machine-id, instance-id,
 * generation ID, SSH host key and random seed, all from the kernel's random
 * numbers, none derived from the name.
 */
#ifndef VM_CLONE_IDENTITY_H
#define VM_CLONE_IDENTITY_H

#include "lib/record/record.h"

/*
 * Add "identity" (all but nics) and "private" to a VM record that has a name.
 * UUIDs are version 4 (RFC 4122); machine_id is one without dashes, as
 * machine-id(5) says.  Thread-safe.
 */
int vm_identity_make(struct vm_json *record, bool with_host_key,
    struct vm_error *err) VM_MUST_CHECK;

/* A new generation ID: its disk is another than it was before. */
int vm_identity_renew(struct vm_json *record, struct vm_error *err)
    VM_MUST_CHECK;

/* The same, and a random seed that no disk has used. */
int vm_identity_reseed(struct vm_json *record, struct vm_error *err)
    VM_MUST_CHECK;

#endif
