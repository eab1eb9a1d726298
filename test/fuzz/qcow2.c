/*
 * A qcow2 file as it arrives: our reader, on bytes that nobody has looked at.
 * When the whole file is in order, what was made has its size.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <stdlib.h>

#include "lib/base/clean.h"
#include "lib/disk/inspect.h"
#include "lib/disk/qcow2_read.h"

#define CAP ((uint64_t)64 << 20)
#define ALLOWED ((uint64_t)16 << 20)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_FD int from = memfd_create("image", MFD_CLOEXEC);
	VM_CLEAN_FD int to = memfd_create("master", MFD_CLOEXEC);
	VM_CLEAN_BUF struct vm_buf chunks = { 0 };
	VM_CLEAN_QCOW2_READ struct vm_qcow2_read *reader = NULL;
	struct vm_inspect inspect = { .format = VM_DISK_RAW };
	struct vm_error err = { 0 };
	struct stat st;

	reader = vm_qcow2_read_open(from, to, CAP, &err);
	if (reader == NULL)
		return 0;
	for (size_t at = 0, part; at < size; at += part) {
		part = size - at < 700 ? size - at : 700;
		if (pwrite(from, data + at, part, (off_t)at) != (ssize_t)part)
			abort();
		if (vm_qcow2_read_advance(reader, at + part, ALLOWED, &err) ==
		    -1)
			return 0;
	}
	if (vm_inspect_file(from, CAP, &inspect, &err) == -1 ||
	    inspect.format != VM_DISK_QCOW2 || inspect.allocated > ALLOWED)
		return 0;
	if (vm_qcow2_read_finish(reader, &chunks, &err) == -1) {
		if (err.kind != VM_E_DATA)
			abort();
		return 0;
	}
	if (fstat(to, &st) == -1 ||
	    (uint64_t)st.st_size != inspect.virtual_size)
		abort();
	return 0;
}
