/*
 * durable.h - the system calls behind publish.h, each of them a fault point.
 *
 * Nothing else in vmpipe syncs, links, renames or removes what is to last.
 * Every call retries EINTR, returns 0 (or a descriptor) or -1 with errno, and
 * passes its point first, where VMPIPE_FAULT may make it fail or kill the
 * process and VMPIPE_FAULT_LOG notes it: "point parent/name", with "*" for the
 * random part of a name, so that an order of calls can be compared.
 */
#ifndef VM_STORE_DURABLE_H
#define VM_STORE_DURABLE_H

#include <sys/types.h>

#include <stddef.h>

#include "lib/base/error.h"

/* The faults asked for; NULL, as nearly always: none. */
struct vm_durable;

/*
 * Read VMPIPE_FAULT and VMPIPE_FAULT_LOG (not when AT_SECURE) into *durable,
 * NULL when neither is set; VM_E_USAGE "bad_fault" for one not understood.
 */
int vm_durable_load(struct vm_durable **durable, struct vm_error *err)
    VM_MUST_CHECK;
void vm_durable_free(struct vm_durable *durable);

int vm_durable_open(struct vm_durable *durable, int dirfd, const char *name,
    int flags, mode_t mode) VM_MUST_CHECK;
/* All of it, or -1. */
int vm_durable_write(struct vm_durable *durable, int fd, const void *data,
    size_t len) VM_MUST_CHECK;
int vm_durable_fsync(struct vm_durable *durable, int fd) VM_MUST_CHECK;
int vm_durable_fsync_dir(struct vm_durable *durable, int fd) VM_MUST_CHECK;
int vm_durable_syncfs(struct vm_durable *durable, int fd) VM_MUST_CHECK;
int vm_durable_mkdir(struct vm_durable *durable, int dirfd, const char *name,
    mode_t mode) VM_MUST_CHECK;
int vm_durable_link(struct vm_durable *durable, int from_fd, const char *from,
    int to_fd, const char *to) VM_MUST_CHECK;
/* Give the nameless file fd this name. */
int vm_durable_link_fd(struct vm_durable *durable, int fd, int to_fd,
    const char *to) VM_MUST_CHECK;
/* flags of renameat2(2); 0 replaces. */
int vm_durable_rename(struct vm_durable *durable, int from_fd, const char *from,
    int to_fd, const char *to, unsigned flags) VM_MUST_CHECK;
/* flags 0 or AT_REMOVEDIR. */
int vm_durable_unlink(struct vm_durable *durable, int dirfd, const char *name,
    int flags) VM_MUST_CHECK;

/*
 * Remove the directory parent/name with all below it; fd is open on it and
 * closed here.  Something vanishing meanwhile is fine.
 */
int vm_durable_remove_tree(struct vm_durable *durable, int parent,
    const char *name, int fd) VM_MUST_CHECK;

#endif
