/*
 * build.h - a master in the making: what its ways share.
 *
 * master.c looks at the first bytes and chooses the way: raw bytes are written
 * as they come (flat.h), qcow2 is rewritten while it arrives (rewrite.h), other
 * formats are spooled to a file first (spool.h).  Private to master.c and those
 * ways.
 */
#ifndef VM_IMAGE_BUILD_H
#define VM_IMAGE_BUILD_H

#include "lib/base/buf.h"
#include "lib/disk/inspect.h"
#include "lib/image/master.h"

#define VM_BUILD_DISK "disk.raw" /* in publish, until it has its id */

struct vm_build {
	struct vm_publish *publish;
	const struct vm_master_input *input;
	const struct vm_master_options *options;
	uint64_t unpacked;	   /* bytes so far */
	struct vm_buf head;	   /* the first of them, already pulled */
	struct vm_buf chunks;	   /* set by each way: text, raw.h */
	struct vm_inspect inspect; /* set by each way: the whole file */
	int disk;		   /* VM_BUILD_DISK, open; -1: not yet */
};

/*
 * The input's next bytes; VM_E_DATA "virtual_size" or "bomb" when they have
 * become too many.
 */
int vm_build_pull(struct vm_build *build, const void **data, size_t *len,
    struct vm_error *err) VM_MUST_CHECK;

/* How many bytes may become of what has been read. */
uint64_t vm_build_allowance(const struct vm_build *build);

/* Are they no more than that?  The same errors. */
int vm_build_check_ratio(const struct vm_build *build, uint64_t bytes,
    struct vm_error *err) VM_MUST_CHECK;

/* Is it what it must be?  VM_E_DATA "format_mismatch". */
int vm_build_check_format(const struct vm_build *build,
    enum vm_disk_format format, struct vm_error *err) VM_MUST_CHECK;

/* Does the store's file system hold so many more?  VM_E_IO "no_space". */
int vm_build_check_space(const struct vm_build *build, uint64_t bytes,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * All has been pulled: when it is all there is in the stream, as
 * vm_stream_finish().  A way calls it before it relies on the data.
 */
int vm_build_end(struct vm_build *build, struct vm_error *err) VM_MUST_CHECK;

void vm_build_release(struct vm_build *build);
#define VM_CLEAN_BUILD VM_CLEAN(vm_build_release)

#endif
