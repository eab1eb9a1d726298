/*
 * further.h - the images of roles' further disks (disks: in a manifest).
 *
 * They are named by alias only, and fetched after all the roles' own images:
 * one of those may bring them, as the second disk of an OVA.
 */
#ifndef VM_IMAGE_FURTHER_H
#define VM_IMAGE_FURTHER_H

#include "lib/image/jobs.h"

/*
 * Call fetch() once for each alias that a role among the jobs' records names,
 * records that have failed apart.  When it fails, so do the records whose roles
 * name it.
 */
int vm_further_fetch(struct vm_jobs *jobs,
    int (*fetch)(void *context, const char *alias, struct vm_error *err),
    void *context, struct vm_error *err) VM_MUST_CHECK;

#endif
