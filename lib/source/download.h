/*
 * download.h - a source's bytes over the network, in order and once.
 *
 * What is kept of it from an earlier try (part.h) comes first, then the rest
 * from the server, or its mirrors; what comes is kept on the way.  The rest
 * comes over several connections at once (ranges.h) where that is wanted and
 * worth it, and a digest or a strong ETag says that it all belongs together.
 */
#ifndef VM_SOURCE_DOWNLOAD_H
#define VM_SOURCE_DOWNLOAD_H

#include "lib/source/mirror.h"
#include "lib/source/part.h"

/* Bytes a second; less is given up while there are others to ask. */
#define VM_DOWNLOAD_SLOW ((uint64_t)16 << 10)

struct vm_download {
	const struct vm_source *source;
	struct vm_mirrors *mirrors; /* of it */
	const struct vm_reach *reach;
	uint64_t free_bytes;
	const char *etag, *modified; /* of what we have, or NULL */
	struct vm_part *part;	     /* or NULL */
	const atomic_bool *stop;
};

/*
 * As vm_http_get(); sink->begin is called first, with what is known: for a part
 * that is gone on with that is its length.
 */
int vm_download_run(const struct vm_download *download,
    const struct vm_http_sink *sink, struct vm_http_reply *reply,
    struct vm_error *err) VM_MUST_CHECK;

#endif
