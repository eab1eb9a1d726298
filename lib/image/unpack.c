#include "lib/image/unpack.h"

static int
pull(void *context, const void **data, size_t *len, struct vm_error *err)
{
	struct vm_unpack *unpack = context;

	if (unpack->first == NULL)
		return vm_stream_read(unpack->stream, data, len, err);
	*data = VM_TAKE(unpack->first);
	*len = unpack->first_len;
	return 0;
}

int
vm_unpack_open(struct vm_unpack *unpack, struct vm_stream *stream,
    struct vm_error *err)
{
	unpack->stream = stream;
	if (vm_stream_read(stream, &unpack->first, &unpack->first_len, err) ==
	    -1)
		return -1;
	if (unpack->first_len == 0)
		return vm_error_set(err, VM_E_DATA, "truncated", "it is empty");
	if (vm_xz_is(unpack->first, unpack->first_len))
		unpack->xz = vm_xz_open(pull, unpack, err);
	else
		unpack->archive = vm_archive_open(pull, unpack, err);
	return unpack->xz == NULL && unpack->archive == NULL ? -1 : 0;
}

int
vm_unpack_read(struct vm_unpack *unpack, const void **data, size_t *len,
    struct vm_error *err)
{
	return unpack->xz != NULL ?
	    vm_xz_read(unpack->xz, data, len, err) :
	    vm_archive_read(unpack->archive, data, len, err);
}

void
vm_unpack_release(struct vm_unpack *unpack)
{
	vm_archive_clean(&unpack->archive);
	vm_xz_clean(&unpack->xz);
}
