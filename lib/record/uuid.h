/*
 * uuid.h - UUIDs as text (RFC 4122): made from the kernel's random numbers, or
 * given by somebody and checked.
 */
#ifndef VM_RECORD_UUID_H
#define VM_RECORD_UUID_H

#include "lib/adapt/json.h"

#define VM_UUID_TEXT 37 /* 8-4-4-4-12 digits and the NUL */

/* A fresh one, version 4. */
int vm_uuid_make(char uuid[VM_UUID_TEXT], struct vm_error *err) VM_MUST_CHECK;

/*
 * One that somebody gives, in lower case; VM_E_USAGE "bad_uuid" when it is none
 * or the nil UUID, which means that there is none.
 */
int vm_uuid_parse(const char *text, char uuid[VM_UUID_TEXT],
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Give a VM's record another identity.generation_id: due whenever its guest
 * goes on from another point in its life than where it stopped (built again,
 * copied, rolled back, restored), so that it draws fresh random numbers
 * ("Virtual Machine Generation ID", Microsoft 2012).
 */
int vm_uuid_renew_generation(struct vm_json *record, struct vm_error *err)
    VM_MUST_CHECK;

#endif
