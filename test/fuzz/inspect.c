/*
 * A disk image from outside: the whole of our own reader, on a file without a
 * name.
 */
#include <sys/mman.h>

#include <stdlib.h>

#include "lib/base/clean.h"
#include "lib/disk/inspect.h"

#define CAP ((uint64_t)1 << 40)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_FD int fd = memfd_create("image", MFD_CLOEXEC);
	struct vm_inspect inspect = { 0 };
	struct vm_error err = { 0 };

	if (fd == -1 || write(fd, data, size) != (ssize_t)size)
		return 0;
	if (vm_inspect_file(fd, CAP, &inspect, &err) == -1) {
		if (err.kind == VM_OK || err.kind == VM_E_BUG)
			abort();
		return 0;
	}
	if (inspect.virtual_size == 0 || inspect.virtual_size > CAP)
		abort();
	return 0;
}
