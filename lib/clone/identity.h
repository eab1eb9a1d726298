/*
 * identity.h - what makes a clone itself: UUID, machine-id, instance-id,
 * generation ID, SSH host keys and random seed.  None is derived from the name;
 * all come from the kernel's random numbers, ecdsa and rsa keys by way of
 * libcrypto's generator.
 */
#ifndef VM_CLONE_IDENTITY_H
#define VM_CLONE_IDENTITY_H

#include "lib/adapt/crypto_key.h"
#include "lib/record/record.h"
#include "lib/record/uuid.h"

/* What the caller asks for; all-zero: a UUID of its own and no host keys. */
struct vm_identity_plan {
	char uuid[VM_UUID_TEXT]; /* given, or "" */
	bool host_keys[VM_KEY_TYPES];
};

struct vm_clone_options;

/* From the options' uuid and host keys: VM_E_USAGE "bad_uuid" ... */
int vm_identity_plan(const struct vm_clone_options *options,
    struct vm_identity_plan *plan, struct vm_error *err) VM_MUST_CHECK;

/*
 * Add "identity" (all but nics) and "private" to a VM record that has a name.
 * machine_id is a UUID without dashes, as machine-id(5) says.  Thread-safe.
 */
int vm_identity_make(struct vm_json *record,
    const struct vm_identity_plan *plan, struct vm_error *err) VM_MUST_CHECK;

/* A new generation ID (uuid.h), and a random seed that no disk has used. */
int vm_identity_reseed(struct vm_json *record, struct vm_error *err)
    VM_MUST_CHECK;

#endif
