/*
 * remove.h - VMs stopped and removed, to the trash: vmstop, then vmrm.
 */
#ifndef VM_SITE_REMOVE_H
#define VM_SITE_REMOVE_H

#include "lib/site/site.h"

/*
 * Remove the VMs of the decisions "remove", the last of them first.  Each is
 * added to out with "state":"removed", or failed with VM_E_UNAVAILABLE
 * "not_removed" when it is still there afterwards.
 */
int vm_remove_vms(struct vm_store *store, const struct vm_records *decisions,
    const struct vm_site_options *options, struct vm_records *out,
    struct vm_error *err) VM_MUST_CHECK;

#endif
