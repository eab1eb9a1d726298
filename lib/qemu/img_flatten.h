/*
 * img_flatten.h - a chain of disk files as one that depends on nothing, by
 * qemu-img in its sandbox (img.h).
 */
#ifndef VM_QEMU_IMG_FLATTEN_H
#define VM_QEMU_IMG_FLATTEN_H

#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/store/chain.h"

struct vm_img_flatten {
	const struct vm_chain *chain; /* its directory holds nothing else */
	const char *format;	      /* "qcow2", "raw", "vmdk" */
	bool compress;		      /* qcow2: with zlib, as all can read */
	int to;			      /* an empty regular file */
	const char *name;	      /* what a VMDK shall call itself */
};

/*
 * Write what the chain's top file holds to `to`, depending on nothing.  The
 * chain is given to QEMU as it is known to us: no format is guessed and no name
 * followed that a file holds.  A VMDK is stream-optimized.  `name` is made in
 * the chain's directory as a link to `to`, and stays.  Errors as
 * vm_img_convert_raw(), without a time limit; progress is shown.
 */
int vm_img_flatten(const struct vm_img_flatten *flatten, struct vm_error *err)
    VM_MUST_CHECK;

#endif
