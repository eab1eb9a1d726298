/*
 * bundle.h - the disks in a tar file, and in the one that is an OVA.
 *
 * An OVA (DSP0243 section 5.3) begins with the .ovf; its disks are the files
 * that its DiskSection stands on, in that order, and its .mf file's digests
 * must be right.  In any other tar file the disks are the members whose names
 * end in .raw .img .qcow2 .vmdk .vhd .vhdx or .vdi, and those that by their
 * contents are disks, in the order of the file.  What else there is is passed
 * over.  Members are never written under their names (archive_tar.h).
 */
#ifndef VM_IMAGE_BUNDLE_H
#define VM_IMAGE_BUNDLE_H

#include "lib/image/intake.h"

/*
 * Build what is in the input, which is a tar file, to its end.  VM_E_DATA what
 * archive_tar.h, ovf.h, ovf_checks.h and master.h say; "no_disk",
 * "too_many_disks", "file_missing" (one of the OVF's).
 */
int vm_bundle_build(struct vm_store *store, const struct vm_master_input *input,
    const struct vm_master_options *options, struct vm_intake *intake,
    struct vm_error *err) VM_MUST_CHECK;

#endif
