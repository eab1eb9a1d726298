/*
 * further.h - a VM's disks besides its system disk, when its directory is
 * replaced: its data disks and the links to its volumes.
 */
#ifndef VM_STORE_FURTHER_H
#define VM_STORE_FURTHER_H

#include "lib/adapt/json.h"
#include "lib/store/publish.h"

/*
 * Hard-link all disks of record but the first, and the masters that they stand
 * on, from the VM's directory dir_fd into its next one, which may have some of
 * the masters already.  Both directories then hold the same files, so that
 * only one of them may be used; the record's entries are the caller's to keep,
 * and its "chain" what is noted of the masters as they are there: VM_E_DATA
 * "base_changed" or "base_missing" when one is not so.
 */
int vm_further_link(struct vm_publish *publish, const struct vm_json *record,
    int dir_fd, struct vm_error *err) VM_MUST_CHECK;

#endif
