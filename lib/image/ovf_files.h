/*
 * ovf_files.h - an OVF that is not in an OVA: x.ovf and the disks beside it.
 *
 * Its disks are found by their relative names, next to the file or under the
 * same URL, and nowhere else.  What is published is several files, so its
 * digest is that of the list of theirs: of what
 *
 *	sha256sum x.ovf disk1.vmdk disk2.vmdk
 *
 * prints, the disks in the order of the OVF.  An x.mf file beside it, if there
 * is one, must be right about the files that are read.
 */
#ifndef VM_IMAGE_OVF_FILES_H
#define VM_IMAGE_OVF_FILES_H

#include "lib/image/fetch.h"
#include "lib/image/intake.h"

struct vm_ovf_files {
	struct vm_store *store;
	const struct vm_source *source; /* of the .ovf */
	const struct vm_fetch_options *options;
	const struct vm_master_options *wanted;
	uint64_t max_bytes; /* of each file */
	/* as in stream.h; done is of all files, total not known */
	void (*progress)(void *context, uint64_t done, uint64_t total);
	void *context;
};

/* Is it one, by its name? */
bool vm_ovf_files_is(const struct vm_source *source);

/*
 * Read it and build its disks.  VM_E_USAGE for what does not go with it
 * (mirrors, a place that is neither a file nor http), VM_E_DATA
 * "digest_mismatch", and what ovf.h, ovf_checks.h, stream.h and master.h say.
 */
int vm_ovf_files_build(const struct vm_ovf_files *files,
    struct vm_intake *intake, struct vm_error *err) VM_MUST_CHECK;

#endif
