#include "lib/image/build.h"

#include <string.h>

#include "lib/base/clean.h"
#include "lib/store/store.h"

uint64_t
vm_build_allowance(const struct vm_build *b)
{
	return vm_master_allowance(b->input->stream, b->options);
}

int
vm_build_check_ratio(const struct vm_build *b, uint64_t bytes,
    struct vm_error *err)
{
	return vm_master_check_ratio(b->input->stream, b->options, bytes, err);
}

int
vm_build_check_format(const struct vm_build *b, enum vm_disk_format format,
    struct vm_error *err)
{
	const char *want = b->options->format;

	if (want == NULL || strcmp(want, vm_inspect_format_name(format)) == 0)
		return 0;
	return vm_error_set(err, VM_E_DATA, "format_mismatch",
	    "by its name it is %s, by its contents %s", want,
	    vm_inspect_format_name(format));
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
	if (b->input->pull(b->input->context, data, len, err) == -1)
		return -1;
	b->unpacked += *len;
	return vm_build_check_ratio(b, b->unpacked, err);
}

int
vm_build_end(struct vm_build *b, struct vm_error *err)
{
	struct vm_stream_result ignored;

	if (b->input->is_member)
		return 0;
	return vm_stream_finish(b->input->stream, &ignored, err);
}

void
vm_build_release(struct vm_build *b)
{
	vm_buf_release(&b->head);
	vm_buf_release(&b->chunks);
	vm_clean_fd(&b->disk);
}
