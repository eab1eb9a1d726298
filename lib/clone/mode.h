/*
 * mode.h - how the disk of a clone is wanted: overlay, reflink or copy.
 *
 * A wish is the record's disks[0] before there is a disk, with only what was
 * asked for; what was not asked for is as an existing VM has it, or as store/
 * fresh.h has it by default.
 */
#ifndef VM_CLONE_MODE_H
#define VM_CLONE_MODE_H

#include "lib/clone/clone.h"
#include "lib/clone/source.h"

/* Can what the command line says be?  VM_E_USAGE "usage" or "bad_size". */
int vm_mode_check(const struct vm_clone_options *options, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Set the record's disks to what the options ask of a clone of source.  For
 * "auto" that is a reflink where the store can and the role has no customize:
 * (which overlays share in a layer), else an overlay.  VM_E_USAGE "bad_mode"
 * when the source is a VM whose disk is of another kind.
 */
int vm_mode_wish(struct vm_store *store, const struct vm_clone_options *options,
    const struct vm_source *source, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

/* Is the disk of a stored VM otherwise than wanted's wish? */
bool vm_mode_differs(const struct vm_clone_options *options,
    const struct vm_json *stored, const struct vm_json *wanted);

/* Add to wanted's wish what it does not say and the stored VM has. */
int vm_mode_keep(const struct vm_clone_options *options,
    const struct vm_json *stored, struct vm_json *wanted, struct vm_error *err)
    VM_MUST_CHECK;

#endif
