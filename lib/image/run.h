/*
 * run.h - vmfetch: from sources and manifests to image records.
 *
 * Each source makes one record; a manifest makes one per role, in `after`
 * order, with the role as its spec.  All manifests are read before the first
 * source is asked.  A source that fails fails its records, the others go on.
 */
#ifndef VM_IMAGE_RUN_H
#define VM_IMAGE_RUN_H

#include "lib/base/buf.h"
#include "lib/image/fetch.h"
#include "lib/record/record.h"
#include "lib/store/pin.h"

struct vm_image_options {
	struct vm_fetch_options fetch;
	char **operands; /* URLs, paths, aliases, manifests */
	size_t operand_count;
	const char *manifest; /* -f FILE, or NULL */
	char **roles;	      /* --role; none: all */
	size_t role_count;
	const char *image;    /* --image FILE, or NULL */
	const char *checksum; /* of the one source, or NULL */
	const char *checksums, *signature, *keyring; /* the same */
	char **catalogs; /* URLs or paths, see named.h */
	size_t catalog_count;
	char **mirrors; /* of it */
	size_t mirror_count;
	bool all;		  /* --refresh --all */
	size_t jobs;		  /* sources at once; 0: one */
	struct vm_pin_change pin; /* --pin, --unpin, --lease */
	const char *manifest_out; /* --manifest-out FILE, or NULL */
	struct vm_buf *problems;  /* the manifest's, one a line */
};

/*
 * Append the records.  store may be NULL in a dry run: nothing is there yet.
 * -1 only when nothing could be tried: VM_E_USAGE, or a manifest that is
 * missing or bad (then problems holds all messages).
 */
int vm_image_run(struct vm_store *store, const struct vm_image_options *options,
    struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

#endif
