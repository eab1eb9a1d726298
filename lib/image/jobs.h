/*
 * jobs.h - sources to be fetched, several of them at once.
 *
 * Jobs begin in the order in which they were added.  Two of the same name are
 * never under way together: the second one finds what the first has made, and
 * none can take a name that another one is about to take.
 */
#ifndef VM_IMAGE_JOBS_H
#define VM_IMAGE_JOBS_H

#include "lib/source/source.h"
#include "lib/record/record.h"

struct vm_job {
	struct vm_source source;
	struct vm_json *record;
	bool due;    /* else its record is complete, or copied from ... */
	size_t same; /* ... an earlier job's, its number plus 1; 0: none */
	char *name;
	bool begun, busy;
};

struct vm_jobs {
	struct vm_job *items;
	size_t count;
};

/*
 * Add an all-zero job but for the record, which is taken: fill in the rest.
 * NULL: no memory.  The pointer is good until the next one is added.
 */
struct vm_job *vm_jobs_add(struct vm_jobs *jobs, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Call work() for each job that is due, in so many threads (1: in this one).
 * -1 with the first failure of work(), or VM_E_INTERRUPTED; then no further
 * job is begun.
 */
int vm_jobs_run(struct vm_jobs *jobs, size_t threads,
    int (*work)(void *context, struct vm_job *job, struct vm_error *err),
    void *context, struct vm_error *err) VM_MUST_CHECK;

void vm_jobs_release(struct vm_jobs *jobs);
#define VM_CLEAN_JOBS VM_CLEAN(vm_jobs_release)

#endif
