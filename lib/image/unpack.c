#include "lib/image/unpack.h"

#define MAGIC 6 /* bytes that tell an xz or gzip file */

int
vm_unpack_open(struct vm_unpack *unpack, vm_archive_pull *pull, void *context,
    struct vm_error *err)
{
	struct vm_peek *peek = &unpack->peek;

	peek->pull = pull;
	peek->context = context;
	if (vm_peek_fill(peek, MAGIC, err) == -1)
		return -1;
	if (peek->head.len == 0)
		return vm_error_set(err, VM_E_DATA, "truncated", "it is empty");
	if (vm_xz_is(peek->head.data, peek->head.len)) {
		unpack->xz = vm_xz_open(vm_peek_read, peek, err);
		return unpack->xz == NULL ? -1 : 0;
	}
	if (vm_gzip_is(peek->head.data, peek->head.len)) {
		unpack->gzip = vm_gzip_open(vm_peek_read, peek, err);
		return unpack->gzip == NULL ? -1 : 0;
	}
	unpack->archive = vm_archive_open(vm_peek_read, peek, err);
	return unpack->archive == NULL ? -1 : 0;
}

int
vm_unpack_read(void *context, const void **data, size_t *len,
    struct vm_error *err)
{
	struct vm_unpack *unpack = context;

	if (unpack->xz != NULL)
		return vm_xz_read(unpack->xz, data, len, err);
	if (unpack->gzip != NULL)
		return vm_gzip_read(unpack->gzip, data, len, err);
	return vm_archive_read(unpack->archive, data, len, err);
}

bool
vm_unpack_is_plain(const struct vm_unpack *unpack)
{
	return unpack->archive != NULL && vm_archive_is_plain(unpack->archive);
}

void
vm_unpack_release(struct vm_unpack *unpack)
{
	vm_archive_clean(&unpack->archive);
	vm_gzip_clean(&unpack->gzip);
	vm_xz_clean(&unpack->xz);
	vm_peek_release(&unpack->peek);
}
