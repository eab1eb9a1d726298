#include "lib/store/further.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/store/lineage.h"
#include "lib/store/vm.h"

/* The master that a data disk stands on, unless another one brought it. */
static int
link_base(struct vm_publish *publish, const struct vm_json *record,
    const struct vm_json *disk, int dir_fd, struct vm_error *err)
{
	const char *id = vm_json_string(disk, "image", NULL);
	char file[96];

	if (id == NULL)
		return 0;
	snprintf(file, sizeof(file), "%.80s.raw", id);
	if (faccessat(publish->dir_fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (vm_lineage_check_file(publish->store, record, dir_fd, file, err) ==
	    -1)
		return vm_error_wrap(err, "disk");
	return vm_publish_link(publish, dir_fd, file, file, err);
}

int
vm_further_link(struct vm_publish *publish, const struct vm_json *record,
    int dir_fd, struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(record, "disks");

	for (size_t i = 1; i < vm_json_count(disks); i++) {
		const struct vm_json *disk = vm_json_at(disks, i);
		const char *file = vm_vm_disk_file(disk);

		if (vm_publish_link(publish, dir_fd, file, file, err) == -1 ||
		    link_base(publish, record, disk, dir_fd, err) == -1)
			return -1;
	}
	return 0;
}
