/*
 * ranges.h - the rest of a file in pieces, over several connections at once.
 *
 * Theory of operation.  Each worker thread has one connection, to the source or
 * to one of its mirrors, and fetches one piece after the other into a ring of
 * slots; the caller's thread gives the bytes to the sink in their order, as
 * soon as they are there.  The ring bounds the memory, whatever the file has.
 *
 * A worker without work robs: it goes on with the piece of another one that
 * would take much longer for it, which is how the last pieces come soon, and
 * how nobody waits for a connection that hangs.  A server that is robbed
 * VM_RANGES_ROBBED times is slow and dropped, one that fails is dropped or
 * gets fewer connections; the last one of them all has as much patience as it
 * had alone.  Pieces of a server that was dropped are taken up where it left
 * them.
 */
#ifndef VM_SOURCE_RANGES_H
#define VM_SOURCE_RANGES_H

#include "lib/source/download.h"
#include "lib/source/rate.h"

#define VM_RANGES_MAX 8 /* connections */
#define VM_RANGES_PIECE ((uint64_t)2 << 20)
#define VM_RANGES_ROBBED 2

struct vm_ranges {
	const struct vm_download *download;
	uint64_t from, length; /* the first byte wanted; of the file */
	const char *if_range;  /* the strong ETag of the only server, or NULL */
	unsigned connections;  /* 1..VM_RANGES_MAX */
	struct vm_rate *rate;
	/* the next bytes of it, called by the caller's thread */
	int (*deliver)(void *context, const void *data, size_t len,
	    struct vm_error *err);
	void *context;
};

/*
 * Deliver all of it.  What deliver() says, or what vm_http_get() said of the
 * last server that was left: "restart" when it knows no ranges.
 */
int vm_ranges_run(const struct vm_ranges *ranges, struct vm_error *err)
    VM_MUST_CHECK;

#endif
