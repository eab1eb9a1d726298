/*
 * job.h - one VM on its way from a record to ready.
 *
 * The steps of vmdeploy for one VM, none of which waits for the guest; the
 * order in which many take them is deploy.h's.
 */
#ifndef VM_HOST_JOB_H
#define VM_HOST_JOB_H

#include "lib/host/deploy.h"
#include "lib/host/launch.h"
#include "lib/host/ready.h"

enum vm_job_state {
	VM_JOB_PASSED,	/* nothing of ours: a record that had failed */
	VM_JOB_PENDING, /* others come first */
	VM_JOB_STARTED, /* the process is there */
	VM_JOB_WAITING, /* runs; is it ready? */
	VM_JOB_DONE,
	VM_JOB_FAILED
};

struct vm_job {
	struct vm_store *store; /* borrowed */
	struct vm_json *record; /* borrowed from the list of records */
	enum vm_job_state state;
	struct vm_launch launch;
	struct vm_ready ready;
	uint64_t deadline_ms;
	struct vm_json *running_spec; /* the role it runs with, if it ran */
};

/*
 * From PENDING: lock and begin the launch (STARTED), or find that it runs
 * (WAITING).  Failing it is noted in the record, here as below.
 */
void vm_job_begin(struct vm_job *job, const char *qemu, bool kvm);

/* From STARTED to WAITING (or DONE): the monitor has greeted. */
void vm_job_confirm(struct vm_job *job,
    const struct vm_deploy_options *options);

/* In WAITING: one look at the process and the probe. */
void vm_job_step(struct vm_job *job);

/* It failed: note why in its record. */
void vm_job_fail(struct vm_job *job, const struct vm_error *failure);

/* For -n: append its command and a newline; nothing is touched. */
void vm_job_format(struct vm_job *job, const char *qemu, bool kvm,
    struct vm_buf *out);

void vm_job_release(struct vm_job *job);

#endif
