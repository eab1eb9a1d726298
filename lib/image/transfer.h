/*
 * transfer.h - a source's bytes into the store as an image, however often that
 * must be begun.
 *
 * One try reads the source, from its part and its mirrors (download.h), builds
 * the master on the way and publishes it.  A try that is lost through no fault
 * of the data, or by a mirror that lies, is followed by another, but not for
 * ever.
 */
#ifndef VM_IMAGE_TRANSFER_H
#define VM_IMAGE_TRANSFER_H

#include "lib/image/fetch.h"
#include "lib/image/flight.h"
#include "lib/source/mirror.h"

struct vm_transfer {
	struct vm_store *store;
	const struct vm_source *source; /* pinned, where it can be */
	const struct vm_fetch_options *options;
	const struct vm_trust *trust; /* how the digest was found */
	const char *alias;	      /* whose generation it becomes */
	const struct vm_json *facts;  /* of its current image, or NULL */
	struct vm_flight *flight;     /* is told how far it has come */
	struct vm_mirrors mirrors;    /* of source; the rest 0 */
};

/*
 * Do it: id[VM_IMAGE_ID + 8] gets the new image's, or "" when the server says
 * that the current one is the newest.  VM_E_USAGE "no_digest" (mirrors without
 * one), and what stream.h, master.h and the store say.
 */
int vm_transfer_run(struct vm_transfer *transfer, char *id,
    struct vm_error *err) VM_MUST_CHECK;

#endif
