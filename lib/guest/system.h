/*
 * system.h - what operations and identity both set in a guest.
 */
#ifndef VM_GUEST_SYSTEM_H
#define VM_GUEST_SYSTEM_H

#include "lib/adapt/engine.h"

/*
 * /etc/hostname, and the line 127.0.1.1 of /etc/hosts (hosts(5): the full name
 * first, then its first label).  VM_E_DATA "bad_hostname" when it is not a
 * name of RFC 1123.
 */
int vm_system_set_hostname(const struct vm_engine *engine, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/* Take both away again. */
int vm_system_clear_hostname(const struct vm_engine *engine,
    struct vm_error *err) VM_MUST_CHECK;

/* Add a public key to ~user/.ssh/authorized_keys, once. */
int vm_system_authorize_key(const struct vm_engine *engine, const char *user,
    const char *key, struct vm_error *err) VM_MUST_CHECK;

/*
 * Where SELinux is on, have the guest label its files anew at its next boot:
 * new files have no label (selinux(8), /.autorelabel).
 */
int vm_system_relabel(const struct vm_engine *engine, struct vm_error *err)
    VM_MUST_CHECK;

#endif
