/*
 * disk_file.h - disk files in an object that is being built.
 */
#ifndef VM_GUEST_DISK_FILE_H
#define VM_GUEST_DISK_FILE_H

#include <sys/types.h>

#include "lib/store/chain.h"
#include "lib/store/publish.h"

/* An empty overlay of this size on the chain; one that is there goes. */
int vm_disk_file_make(struct vm_publish *publish, const char *file,
    const struct vm_chain *chain, uint64_t virtual_size, struct vm_error *err)
    VM_MUST_CHECK;

/* A copy of dir_fd/from; one that is there goes. */
int vm_disk_file_copy(struct vm_publish *publish, const char *file, int dir_fd,
    const char *from, struct vm_error *err) VM_MUST_CHECK;

/* Done: give it its mode and make it last. */
int vm_disk_file_seal(struct vm_publish *publish, const char *file, mode_t mode,
    struct vm_error *err) VM_MUST_CHECK;

#endif
