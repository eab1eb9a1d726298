#include "lib/image/build.h"

#include "lib/base/clean.h"
#include "lib/store/store.h"

#define RATIO_FREE ((uint64_t)1 << 30) /* bytes that any file may become */
#define RATIO_MAX 1000		       /* beyond: times its size */

int
vm_build_check_ratio(const struct vm_build *b, uint64_t bytes,
    struct vm_error *err)
{
	uint64_t in = vm_stream_position(b->stream);

	if (bytes > b->options->max_virtual_bytes)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "it unpacks to more than %llu bytes",
		    (unsigned long long)b->options->max_virtual_bytes);
	if (b->options->any_ratio || bytes <= RATIO_FREE ||
	    bytes / RATIO_MAX <= in)
		return 0;
	vm_error_set(err, VM_E_DATA, "bomb",
	    "%llu bytes unpack to more than %d times as many",
	    (unsigned long long)in, RATIO_MAX);
	return vm_error_hint(err, "vmfetch --max-size SIZE, if that is right");
}

int
vm_build_check_space(const struct vm_build *b, uint64_t bytes,
    struct vm_error *err)
{
	uint64_t have;

	if (vm_store_free_space(b->publish->store, &have, err) == -1)
		return -1;
	if (bytes <= have)
		return 0;
	return vm_error_set(err, VM_E_IO, "no_space",
	    "unpacked it takes %llu bytes, the store's file system has %llu "
	    "free",
	    (unsigned long long)bytes, (unsigned long long)have);
}

int
vm_build_pull(struct vm_build *b, const void **data, size_t *len,
    struct vm_error *err)
{
	if (vm_unpack_read(&b->unpack, data, len, err) == -1)
		return -1;
	b->unpacked += *len;
	return vm_build_check_ratio(b, b->unpacked, err);
}

int
vm_build_end(struct vm_build *b, struct vm_error *err)
{
	return vm_stream_finish(b->stream, &b->ended, err);
}

void
vm_build_release(struct vm_build *b)
{
	vm_unpack_release(&b->unpack);
	vm_buf_release(&b->head);
	vm_buf_release(&b->chunks);
	vm_clean_fd(&b->disk);
}
