/*
 * running.h - a VM that runs as what clones are made from.
 *
 * Its lock is QEMU's, so nothing but the disk changes while it runs; the disk
 * is copied by QEMU itself, as of one instant (lib/qemu/live.h), into a
 * nameless file, which then is copied into each clone as that of a stopped VM
 * would be; and so are its data disks, as of the same instant.
 */
#ifndef VM_CLONE_RUNNING_H
#define VM_CLONE_RUNNING_H

#include "lib/clone/source.h"

/*
 * The VM's lock could not be had (*err says so): does it run?  0: yes, and
 * source->running is set; -1: no, *err is as it was.  The directory is open.
 */
int vm_running_find(struct vm_store *store, const char *name,
    struct vm_source *source, struct vm_error *err) VM_MUST_CHECK;

/*
 * Make source->disk_fd, now the VM's own disk, a copy of it, and put copies of
 * its data disks (no volumes) into source->further.  Nothing is left
 * in the store by whoever is killed meanwhile; errors as vm_live_copy().
 */
int vm_running_copy(struct vm_store *store, struct vm_source *source,
    struct vm_error *err) VM_MUST_CHECK;

#endif
