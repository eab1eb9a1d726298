/*
 * overlay.h - disk files in an object that is being built.
 */
#ifndef VM_GUEST_OVERLAY_H
#define VM_GUEST_OVERLAY_H

#include <sys/types.h>

#include "lib/store/chain.h"
#include "lib/store/publish.h"

/* An empty overlay of this size on the chain; one that is there goes. */
int vm_overlay_make(struct vm_publish *publish, const char *file,
    const struct vm_chain *chain, uint64_t virtual_size, struct vm_error *err)
    VM_MUST_CHECK;

/* A copy of dir_fd/from; one that is there goes. */
int vm_overlay_copy(struct vm_publish *publish, const char *file, int dir_fd,
    const char *from, struct vm_error *err) VM_MUST_CHECK;

/* Done: give it its mode and make it last. */
int vm_overlay_seal(struct vm_publish *publish, const char *file, mode_t mode,
    struct vm_error *err) VM_MUST_CHECK;

#endif
