/*
 * appliance_child.h - the child's side of appliance.h.
 */
#ifndef VM_GUEST_APPLIANCE_CHILD_H
#define VM_GUEST_APPLIANCE_CHILD_H

#include "lib/guest/appliance.h"

/* Its whole life: work through the jobs, report to fd; never returns. */
void vm_appliance_child_run(struct vm_store *store,
    struct vm_change *const *jobs, size_t count, int fd)
    __attribute__((noreturn));

#endif
