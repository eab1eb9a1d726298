/*
 * work.h - one VM being customised: its next directory, built under tmp/.
 *
 * The VM's own directory is not touched until the change is complete; then
 * the two change places in one rename, so that a VM is as it was or has
 * everything, whoever is killed.  A clone that never ran gets a fresh disk (an
 * overlay, or another reflink or copy of the master), a disk that has run is
 * copied (sharing blocks where the file system can).
 */
#ifndef VM_GUEST_WORK_H
#define VM_GUEST_WORK_H

#include "lib/guest/base.h"

struct vm_work {
	struct vm_plan plan;
	struct vm_error error; /* why it failed, or all-zero */
	bool is_done;
	int lock_fd;	      /* the VM's; or -1 */
	struct vm_base *base; /* borrowed */
	struct vm_publish publish;
	char *disk; /* path of the disk being changed */
	struct vm_change job;
};

/*
 * Take the VM's lock and plan again under it (input and hand as for
 * vm_plan_make).  VM_E_TRY_AGAIN "in_use" when it runs; its next directory has
 * a lock of its own, as the VM may run meanwhile.
 */
int vm_work_lock(struct vm_store *store, struct vm_work *work,
    const struct vm_json *input, const struct vm_json *hand,
    struct vm_error *err) VM_MUST_CHECK;

void vm_work_unlock(struct vm_work *work);

/* Not running, not worked on, at the moment?  Else VM_E_TRY_AGAIN "in_use". */
int vm_work_check_idle(struct vm_store *store, const struct vm_json *input,
    struct vm_error *err) VM_MUST_CHECK;

/* Begin its next directory; work->job is then to be done. */
int vm_work_begin(struct vm_store *store, struct vm_work *work,
    struct vm_error *err) VM_MUST_CHECK;

/* The job is done: seal the disk, write vm.json; ready to be committed. */
int vm_work_complete(struct vm_work *work, struct vm_error *err) VM_MUST_CHECK;

void vm_work_release(struct vm_work *work);

#endif
