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

#endif
