/*
 * guest.h - customising guests (patent claim 1: each clone is customised from
 * the manifest before it starts).
 *
 * What happens to a batch, in this order:
 *
 *	plan.h		what does each VM ask for, what of it is done already?
 *	base.h		the layers of customize:, each made once per host
 *	work.h		each clone's next directory under tmp/
 *	appliance.h	the changes, a few appliances for all of them, by
 *			ops.h and identity.h over an engine (adapt/engine.h)
 *	publish.h	one commit for the batch; each VM changes as a whole
 */
#ifndef VM_GUEST_GUEST_H
#define VM_GUEST_GUEST_H

#include "lib/record/record.h"
#include "lib/store/store.h"

struct vm_guest_options {
	const struct vm_json *hand; /* operations given by hand, or NULL */
	size_t appliances;	    /* at once; 0: one per core */
	uint64_t timeout_ms;	    /* for one guest; 0: none */
	bool dry_run;		    /* say what would be done */
	bool next;		    /* their next directories, in old/ */
};

/*
 * Customise the VMs of these records, in place.  What is done already passes
 * through untouched; a disk that has run gets operations by hand only, what
 * else differs is noted as drift.  A VM that fails is as it was: VM_E_DATA
 * "guest_symlink", "guest_command", "guest_no_os", "not_a_vm" ..., VM_E_IO
 * "guest_full", VM_E_TRY_AGAIN "in_use" or "timeout", VM_E_UNAVAILABLE
 * "no_appliance".  -1 only when nothing could be tried or we were told to
 * stop.
 */
int vm_guest_run(struct vm_store *store, const struct vm_guest_options *options,
    struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

#endif
