/*
 * appliance.h - changes to many guests' disks, a few appliances at a time.
 *
 * Theory of operation.  Starting an appliance costs seconds, a disk more in it
 * a fraction of one, so jobs are dealt to at most one appliance per core and
 * each works through its disks one after another, one mounted at a time.  An
 * appliance lives in a child process with a process group of its own: when it
 * hangs or we are stopped the group is killed; when we are killed the child
 * dies by its parent-death signal and libguestfs ends the appliance.  What a
 * child has found is told in lines of JSON through a pipe (report.h).
 *
 * A job counts as done only after its appliance has ended in good order,
 * because until then parts of its disk may be in the appliance alone.  A job
 * that fails in its guest fails by itself.  When the appliance itself dies,
 * the job that was being worked on fails; the others of that batch are begun
 * anew, on disks made anew.
 */
#ifndef VM_GUEST_APPLIANCE_H
#define VM_GUEST_APPLIANCE_H

#include "lib/guest/ops.h"

struct vm_change {
	const char *disk; /* path of the file to change */
	bool is_raw;	  /* else it is qcow2 */
	const char *base; /* jobs of the same base have the same layout */
	const struct vm_json *layout; /* NULL: to be found */
	bool network;		      /* the appliance needs one */
	bool heavy;		      /* takes long: worth an appliance */

	/* Make the disk (again) as it is before the change; ours. */
	int (*make_disk)(struct vm_change *job, struct vm_error *err);
	/* The change, in the child; the guest is mounted. */
	int (*change)(const struct vm_change *job,
	    const struct vm_op_context *context, struct vm_json *warnings,
	    struct vm_error *err);
	void *arg;

	/* What became of it. */
	bool is_done; /* else error says why */
	struct vm_error error;
	struct vm_json *found; /* the layout, when it was found here */
	struct vm_json *warnings;
	uint64_t ms;
};

struct vm_appliance_options {
	size_t appliances;   /* at once; 0: one per core */
	uint64_t timeout_ms; /* for one job, and for the start; 0: none */
};

/*
 * Do all jobs; each says itself what became of it.  -1 only when we were told
 * to stop (VM_E_INTERRUPTED) or could not work at all (VM_E_SYSTEM).
 * A hang is VM_E_TRY_AGAIN "timeout", a death VM_E_UNAVAILABLE "engine".
 */
int vm_appliance_run(struct vm_store *store, struct vm_change *const *jobs,
    size_t count, const struct vm_appliance_options *options,
    struct vm_error *err) VM_MUST_CHECK;

/* Free what the results hold. */
void vm_appliance_release(struct vm_change *job);

#endif
