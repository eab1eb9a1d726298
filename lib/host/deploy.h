/*
 * deploy.h - starts VMs and waits until they serve: what vmdeploy does.
 *
 * Theory of operation.  Each record is a job.  A job is begun when the roles in
 * its `after` have come as far as they are to come (among the records of this
 * call); all that can be begun are begun before any is waited for, so that VMs
 * start side by side.  One loop then steps the probes (ready.h) of all that
 * wait and watches their processes.  Being told to stop ends the waiting and
 * nothing else: what runs keeps running.
 *
 * A VM that runs already passes through, once its monitor has shown that it is
 * this VM; should nobody have seen it ready, it is waited for like the others.
 */
#ifndef VM_HOST_DEPLOY_H
#define VM_HOST_DEPLOY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/record/record.h"
#include "lib/store/store.h"

struct vm_deploy_options {
	bool no_wait;	     /* running is enough */
	uint64_t timeout_ms; /* instead of each role's; 0: as the role says */
};

/*
 * Start the VMs of records, which are replaced in place; failures are noted in
 * each.  Returns -1 only when nothing could be tried.
 */
int vm_deploy_run(struct vm_store *store,
    const struct vm_deploy_options *options, struct vm_records *records,
    struct vm_error *err) VM_MUST_CHECK;

/* -n: append the command of each VM, one a line, and do nothing. */
int vm_deploy_format(struct vm_store *store, struct vm_records *records,
    struct vm_buf *out, struct vm_error *err) VM_MUST_CHECK;

#endif
