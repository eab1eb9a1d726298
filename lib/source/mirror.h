/*
 * mirror.h - which of a source's URLs to ask, and which of them lies.
 *
 * Only a digest can tell whether mirrors have the same file, so mirrors are
 * used for pinned sources only.  They are asked in the order given, the source
 * first; one that fails, or is slow while others are left, is dropped and the
 * next goes on where it was.  When the whole then has another digest and came
 * from one of them, that one is named and not asked again; when it came from
 * several, each of these is asked for all of it alone until it is clear.
 */
#ifndef VM_SOURCE_MIRROR_H
#define VM_SOURCE_MIRROR_H

#include "lib/source/reach.h"
#include "lib/source/source.h"

/* Bit 0 is the source's own URL, bit i + 1 its mirror i. */
struct vm_mirrors {
	const struct vm_source *source;
	uint32_t given;	   /* gave bytes in this try */
	uint32_t liars;	   /* have another file */
	uint32_t suspects; /* were mixed: to be asked alone; 0: none */
	bool found;	   /* a liar among the mixed ones */
};

/* The first URL to ask after this one (-1: the first of all), or -1. */
int vm_mirrors_next(const struct vm_mirrors *mirrors, int after);

const char *vm_mirrors_shown(const struct vm_mirrors *mirrors, int url);

/* How many may be asked. */
unsigned vm_mirrors_count(const struct vm_mirrors *mirrors);

/*
 * Ask one: as vm_origin_get() and vm_http_get() with its URL in the request.
 * The request's credentials are for the source's own server: mirrors get none.
 */
int vm_mirrors_get(const struct vm_mirrors *mirrors, int url,
    const struct vm_http_request *request, const struct vm_http_sink *sink,
    struct vm_http_reply *reply, struct vm_error *err) VM_MUST_CHECK;

/*
 * What they gave in this try has another digest: a warning names who it was, if
 * that is known.  False: there is nobody left to ask.
 */
bool vm_mirrors_blame(struct vm_mirrors *mirrors);

/* What they gave is right: warn of the one of two that it cannot have been. */
void vm_mirrors_absolve(const struct vm_mirrors *mirrors);

#endif
