/*
 * The snapshot table of a qcow2 file: whatever it says, nothing is believed
 * that is not in the file, and what is read can be shown.
 */
#include <sys/mman.h>

#include <stdlib.h>
#include <string.h>

#include "lib/disk/snapshots.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_FD int fd = memfd_create("disk", MFD_CLOEXEC);
	VM_CLEAN_SNAPSHOTS struct vm_snapshots snapshots = { 0 };
	struct vm_error err = { 0 };
	size_t count = 0;

	if (write(fd, data, size) != (ssize_t)size)
		abort();
	if (vm_snapshots_read(fd, &snapshots, &err) == -1) {
		if (err.kind != VM_E_DATA || snapshots.items != NULL)
			abort();
		return 0;
	}
	if (vm_snapshots_count(fd, &count, &err) == -1 ||
	    count != snapshots.count || count > size / 40)
		abort();
	for (size_t i = 0; i < count; i++) {
		const struct vm_snapshot *item = &snapshots.items[i];

		if (strlen(item->name) + strlen(item->id) > size ||
		    vm_snapshots_find(&snapshots, item->name) == NULL)
			abort();
	}
	return 0;
}
