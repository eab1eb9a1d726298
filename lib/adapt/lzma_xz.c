#include "lib/adapt/lzma_xz.h"

#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT ((size_t)1 << 20)
#define THREADS_MAX 8
#define MEMORY_PARALLEL ((uint64_t)128 << 20) /* fewer threads above it */
#define MEMORY_MAX ((uint64_t)256 << 20)      /* refused above it */

struct vm_xz {
	vm_archive_pull *pull;
	void *context;
	lzma_stream lzma;
	bool in_ended, ended;
	uint8_t out[OUT];
};

bool
vm_xz_is(const void *data, size_t len)
{
	static const char magic[6] = "\xfd"
				     "7zXZ";

	return len >= sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0;
}

static int
fail(lzma_ret code, struct vm_error *err)
{
	switch (code) {
	case LZMA_MEM_ERROR:
		return vm_error_nomem(err);
	case LZMA_MEMLIMIT_ERROR:
		return vm_error_set(err, VM_E_DATA, "bomb",
		    "unpacking it takes more than %llu bytes of memory",
		    (unsigned long long)MEMORY_MAX);
	case LZMA_BUF_ERROR:
		return vm_error_set(err, VM_E_DATA, "bad_compression",
		    "cannot be unpacked: cut off");
	default:
		return vm_error_set(err, VM_E_DATA, "bad_compression",
		    "cannot be unpacked: damaged xz data");
	}
}

struct vm_xz *
vm_xz_open(vm_archive_pull *pull, void *context, struct vm_error *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	lzma_mt options = {
		.flags = LZMA_CONCATENATED,
		.threads = cores < 1	? 1 :
		    cores > THREADS_MAX ? THREADS_MAX :
					  (uint32_t)cores,
		.memlimit_threading = MEMORY_PARALLEL,
		.memlimit_stop = MEMORY_MAX,
	};
	struct vm_xz *xz = calloc(1, sizeof(*xz));
	lzma_ret code;

	if (xz == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	xz->pull = pull;
	xz->context = context;
	xz->lzma = (lzma_stream)LZMA_STREAM_INIT;
	code = lzma_stream_decoder_mt(&xz->lzma, &options);
	if (code != LZMA_OK) {
		fail(code, err);
		vm_xz_clean(&xz);
		return NULL;
	}
	return xz;
}

static int
refill(struct vm_xz *xz, struct vm_error *err)
{
	const void *data;
	size_t len;

	if (xz->lzma.avail_in > 0 || xz->in_ended)
		return 0;
	if (xz->pull(xz->context, &data, &len, err) == -1)
		return -1;
	xz->lzma.next_in = data;
	xz->lzma.avail_in = len;
	xz->in_ended = len == 0;
	return 0;
}

int
vm_xz_read(void *context, const void **data, size_t *len, struct vm_error *err)
{
	struct vm_xz *xz = context;

	xz->lzma.next_out = xz->out;
	xz->lzma.avail_out = OUT;
	while (!xz->ended && xz->lzma.avail_out == OUT) {
		lzma_ret code;

		if (refill(xz, err) == -1)
			return -1;
		code = lzma_code(&xz->lzma,
		    xz->in_ended ? LZMA_FINISH : LZMA_RUN);
		if (code != LZMA_OK && code != LZMA_STREAM_END)
			return fail(code, err);
		xz->ended = code == LZMA_STREAM_END;
	}
	*data = xz->out;
	*len = OUT - xz->lzma.avail_out;
	return 0;
}

void
vm_xz_clean(struct vm_xz **xz)
{
	if (*xz == NULL)
		return;
	lzma_end(&(*xz)->lzma);
	free(*xz);
}
