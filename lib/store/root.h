/*
 * root.h - whether a directory can be trusted with a store; private to
 * lib/store.  What is refused is VM_E_DENIED "bad_store", and says why.
 */
#ifndef VM_STORE_ROOT_H
#define VM_STORE_ROOT_H

#include "lib/base/error.h"

/* "the store PATH WHY" */
int vm_root_refuse(const char *path, const char *why, struct vm_error *err);

/* Ours or root's, and not writable by everybody. */
int vm_root_check_owner(int fd, const char *path, struct vm_error *err)
    VM_MUST_CHECK;

/* On a file system known to be local, with hard links and flock. */
int vm_root_check_type(int fd, const char *path, struct vm_error *err)
    VM_MUST_CHECK;

/* Why dirfd/name could not be opened as a directory: a link is refused. */
int vm_root_explain(int dirfd, const char *name, const char *path, int errnum,
    struct vm_error *err);

#endif
