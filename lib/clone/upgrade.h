/*
 * upgrade.h - replaces the disk of a VM by one made anew: vmupgrade's duty.
 *
 * What happens to one VM, under locks/upgrade-<vm>:
 *
 *	renew.h		what is it to be, and does it differ?
 *	renew.h		its next directory is built in old/
 *	vmcustomize	does all operations there (--next), while the VM still
 *			runs: what cannot be done on the new generation is seen
 *			here, and nothing has changed
 *	vmstop		when it runs
 *	renew.h		under the VM's lock the two change places
 *	vmdeploy	when it ran: started, and waited for
 *
 * One that does not get ready changes places again with the old one, which is
 * started; it goes to the trash, where its console log can be read.
 *
 * Killed at any moment, or told to stop, it leaves one of the two in place and
 * the other in old/.  Called again it goes on where it was (store/old.h says
 * how that is seen); a rollback goes back.
 */
#ifndef VM_CLONE_UPGRADE_H
#define VM_CLONE_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/record/record.h"
#include "lib/store/store.h"

struct vm_upgrade_options {
	const char *to;	     /* alias, alias@N, id; rollback: an old disk */
	bool force;	     /* also when nothing differs */
	bool rollback;	     /* back to what was replaced last */
	bool no_start;	     /* do not start it again */
	bool dry_run;	     /* say what would be done */
	uint64_t timeout_ms; /* for ready; 0: as the role says */
	bool quiet;	     /* these two to all commands */
	int verbose;
};

/*
 * Upgrade the VMs of records one by one, in place.  What is as it should be
 * passes through.  A VM that fails is what it was: the failure is that of the
 * step, as its command reports it.  VM_E_TRY_AGAIN "in_use", VM_E_NO_INPUT
 * "old_not_found", VM_E_USAGE "ephemeral" and what renew.h says.
 * -1 only when nothing could be tried.
 */
int vm_upgrade_run(struct vm_store *store,
    const struct vm_upgrade_options *options, struct vm_records *records,
    struct vm_error *err) VM_MUST_CHECK;

#endif
