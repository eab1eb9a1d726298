/*
 * caller_key.h - the caller's own public SSH key, as ssh-copy-id(1) finds it.
 */
#ifndef VM_GUEST_CALLER_KEY_H
#define VM_GUEST_CALLER_KEY_H

#include "lib/adapt/json.h"

/*
 * Give every ssh_inject of the list that names neither key nor file the
 * caller's: the newest ~/.ssh/id*.pub.  VM_E_NO_INPUT "no_key" (hint:
 * ssh-keygen) when there is none.
 */
int vm_caller_key_resolve(struct vm_json *ops, struct vm_error *err)
    VM_MUST_CHECK;

#endif
