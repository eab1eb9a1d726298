/*
 * role.h - one role brought to what was decided, through the whole pipe.
 */
#ifndef VM_SITE_ROLE_H
#define VM_SITE_ROLE_H

#include "lib/site/intent.h"
#include "lib/site/site.h"

/*
 * Run the pipe for the VMs of the role that the decisions keep or make, unless
 * they are all as they should be (and the image's origin need not be asked).
 * out gets a record for each, with its "action", or the failed record that a
 * command ended with.  *ready: all of them run, and are ready where that is
 * asked for.
 */
int vm_role_apply(struct vm_store *store, const struct vm_intent *intent,
    const char *role, const struct vm_records *decisions,
    const struct vm_site_options *options, struct vm_records *out, bool *ready,
    struct vm_error *err) VM_MUST_CHECK;

#endif
