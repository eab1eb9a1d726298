#define ZLIB_CONST
#include "lib/adapt/inflate_gzip.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define OUT ((size_t)256 << 10)
#define WINDOW_BITS (15 + 16) /* the largest window, a gzip header */

struct vm_gzip {
	vm_archive_pull *pull;
	void *context;
	z_stream zlib;
	size_t rest;  /* pulled, not yet in zlib.avail_in (its type is less) */
	bool between; /* members, or behind the last */
	bool in_ended;
	unsigned char out[OUT];
};

bool
vm_gzip_is(const void *data, size_t len)
{
	static const char magic[3] = "\x1f\x8b\x08";

	return len >= sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0;
}

static int
fail(const char *why, struct vm_error *err)
{
	return vm_error_set(err, VM_E_DATA, "bad_compression",
	    "cannot be unpacked: %s", why);
}

struct vm_gzip *
vm_gzip_open(vm_archive_pull *pull, void *context, struct vm_error *err)
{
	struct vm_gzip *gzip = calloc(1, sizeof(*gzip));

	if (gzip == NULL || inflateInit2(&gzip->zlib, WINDOW_BITS) != Z_OK) {
		free(gzip);
		vm_error_nomem(err);
		return NULL;
	}
	gzip->pull = pull;
	gzip->context = context;
	return gzip;
}

/* Have bytes to unpack, unless it has ended. */
static int
refill(struct vm_gzip *gzip, struct vm_error *err)
{
	const void *data;
	size_t part;

	if (gzip->zlib.avail_in > 0 || gzip->in_ended)
		return 0;
	if (gzip->rest == 0) {
		if (gzip->pull(gzip->context, &data, &gzip->rest, err) == -1)
			return -1;
		gzip->in_ended = gzip->rest == 0;
		gzip->zlib.next_in = data;
	}
	part = gzip->rest < UINT32_MAX ? gzip->rest : UINT32_MAX;
	gzip->zlib.avail_in = (uInt)part;
	gzip->rest -= part;
	return 0;
}

/* Skip zeros behind a member; another one begins with what is no zero. */
static void
skip_padding(struct vm_gzip *gzip)
{
	z_stream *zlib = &gzip->zlib;

	while (zlib->avail_in > 0 && *zlib->next_in == 0) {
		zlib->next_in++;
		zlib->avail_in--;
	}
	if (zlib->avail_in > 0) {
		gzip->between = false;
		(void)inflateReset(zlib);
	}
}

static int
step(struct vm_gzip *gzip, struct vm_error *err)
{
	switch (inflate(&gzip->zlib, Z_NO_FLUSH)) {
	case Z_STREAM_END:
		gzip->between = true;
		return 0;
	case Z_OK:
	case Z_BUF_ERROR: /* more of either side is needed */
		return 0;
	case Z_MEM_ERROR:
		return vm_error_nomem(err);
	default:
		return fail("damaged gzip data", err);
	}
}

int
vm_gzip_read(void *context, const void **data, size_t *len,
    struct vm_error *err)
{
	struct vm_gzip *gzip = context;
	z_stream *zlib = &gzip->zlib;

	zlib->next_out = gzip->out;
	zlib->avail_out = OUT;
	while (zlib->avail_out == OUT) {
		if (refill(gzip, err) == -1)
			return -1;
		if (gzip->between)
			skip_padding(gzip);
		if (gzip->between && gzip->in_ended)
			break;
		if (!gzip->between && step(gzip, err) == -1)
			return -1;
		if (gzip->in_ended && !gzip->between && zlib->avail_out == OUT)
			return fail("cut off", err);
	}
	*data = gzip->out;
	*len = OUT - zlib->avail_out;
	return 0;
}

void
vm_gzip_clean(struct vm_gzip **gzip)
{
	if (*gzip == NULL)
		return;
	(void)inflateEnd(&(*gzip)->zlib);
	free(*gzip);
}
