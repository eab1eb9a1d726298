#define ZLIB_CONST
#include "lib/adapt/inflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define WINDOW_BITS (-12) /* as QEMU; negative: no zlib header */

struct vm_inflate {
	enum vm_inflate_type type;
	z_stream zlib;
	ZSTD_DCtx *zstd;
};

static int
begin(struct vm_inflate *inflate, struct vm_error *err)
{
	if (inflate->type == VM_INFLATE_DEFLATE)
		return inflateInit2(&inflate->zlib, WINDOW_BITS) == Z_OK ?
		    0 :
		    vm_error_nomem(err);
	inflate->zstd = ZSTD_createDCtx();
	return inflate->zstd != NULL ? 0 : vm_error_nomem(err);
}

struct vm_inflate *
vm_inflate_new(enum vm_inflate_type type, struct vm_error *err)
{
	struct vm_inflate *inflate = calloc(1, sizeof(*inflate));

	if (inflate == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	inflate->type = type;
	if (begin(inflate, err) == -1) {
		free(inflate);
		return NULL;
	}
	return inflate;
}

static int
damaged(const char *why, struct vm_error *err)
{
	return vm_error_set(err, VM_E_DATA, "bad_compression",
	    "cannot be unpacked: %s", why);
}

static int
unpack_deflate(z_stream *zlib, const void *in, size_t in_len, void *out,
    size_t out_len, struct vm_error *err)
{
	int result;

	if (in_len > UINT32_MAX || out_len > UINT32_MAX ||
	    inflateReset(zlib) != Z_OK)
		return vm_error_set(err, VM_E_BUG, "inflate", "block too long");
	zlib->next_in = in;
	zlib->avail_in = (uInt)in_len;
	zlib->next_out = out;
	zlib->avail_out = (uInt)out_len;
	result = inflate(zlib, Z_FINISH);
	if (result == Z_MEM_ERROR)
		return vm_error_nomem(err);
	if (result == Z_BUF_ERROR)
		return damaged(zlib->avail_out == 0 ? "a block too long" :
						      "a block cut off",
		    err);
	if (result != Z_STREAM_END)
		return damaged("a damaged block", err);
	return zlib->avail_out == 0 ? 0 : damaged("a block too short", err);
}

/* There may be several frames; how long each is it says itself. */
static int
unpack_zstd(ZSTD_DCtx *zstd, const void *in, size_t in_len, void *out,
    size_t out_len, struct vm_error *err)
{
	const unsigned char *from = in;
	unsigned char *to = out;

	while (out_len > 0) {
		size_t used = ZSTD_findFrameCompressedSize(from, in_len), got;

		if (ZSTD_isError(used))
			return damaged(ZSTD_getErrorName(used), err);
		got = ZSTD_decompressDCtx(zstd, to, out_len, from, used);
		if (ZSTD_isError(got))
			return damaged(ZSTD_getErrorName(got), err);
		from += used;
		in_len -= used;
		to += got;
		out_len -= got;
	}
	return 0;
}

int
vm_inflate_block(struct vm_inflate *inflate, const void *in, size_t in_len,
    void *out, size_t out_len, struct vm_error *err)
{
	if (inflate->type == VM_INFLATE_DEFLATE)
		return unpack_deflate(&inflate->zlib, in, in_len, out, out_len,
		    err);
	return unpack_zstd(inflate->zstd, in, in_len, out, out_len, err);
}

void
vm_inflate_clean(struct vm_inflate **owned)
{
	struct vm_inflate *inflate = *owned;

	if (inflate == NULL)
		return;
	if (inflate->type == VM_INFLATE_DEFLATE)
		(void)inflateEnd(&inflate->zlib);
	ZSTD_freeDCtx(inflate->zstd);
	free(inflate);
}
