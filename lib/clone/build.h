/*
 * build.h - one clone's directory: its disk, its chain, its lock, vm.json.
 */
#ifndef VM_CLONE_BUILD_H
#define VM_CLONE_BUILD_H

#include "lib/clone/source.h"
#include "lib/record/record.h"
#include "lib/store/publish.h"

/*
 * The size the clone's disk gets: spec.disk, or the source's own.  VM_E_USAGE
 * "bad_size" when it would be smaller than the source, or larger than that of
 * a VM that is copied.
 */
int vm_build_disk_size(const struct vm_json *record,
    const struct vm_source *source, uint64_t *size_bytes, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Fill an object that was begun with everything for record (a VM record with
 * its identity and the wish for its disk, mode.h); its disks are described
 * then.  copy_ok is as in fresh.h.  lock_from (-1, or an open directory
 * whose "lock" is hard-linked) is where a VM being replaced is.  The caller
 * commits or aborts.
 */
int vm_build_clone(const struct vm_source *source, struct vm_json *record,
    bool copy_ok, int lock_from, struct vm_publish *publish,
    struct vm_error *err) VM_MUST_CHECK;

#endif
