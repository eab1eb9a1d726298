#include <stdio.h>
#include <string.h>

#include "lib/adapt/guestfs_private.h"

/* The device of one partition of one drive, by index: never by UUID. */
static int
format_device(struct vm_guestfs *g, size_t drive, int partition, char *out,
    size_t size, struct vm_error *err)
{
	if (drive >= g->drive_count || g->devices[drive] == NULL)
		return vm_error_set(err, VM_E_BUG, "no_drive",
		    "the appliance has no drive %zu", drive);
	if (partition == 0)
		snprintf(out, size, "%s", g->devices[drive]);
	else
		snprintf(out, size, "%s%d", g->devices[drive], partition);
	return 0;
}

/* Copy a string of libguestfs (NULL: it does not know) and free it. */
static void
take_text(char *text, char *out, size_t size)
{
	snprintf(out, size, "%s", text == NULL ? "" : text);
	free(text);
}

static int
describe(struct vm_guestfs *g, size_t drive, int number,
    struct vm_engine_partition *out, struct vm_error *err)
{
	char device[64];

	if (format_device(g, drive, number, device, sizeof device, err) == -1)
		return -1;
	out->number = number;
	take_text(guestfs_vfs_type(g->h, device), out->fs, sizeof out->fs);
	take_text(guestfs_vfs_uuid(g->h, device), out->uuid, sizeof out->uuid);
	take_text(guestfs_vfs_label(g->h, device), out->label,
	    sizeof out->label);
	return 0;
}

int
vm_guestfs_partitions(void *state, size_t drive,
    struct vm_engine_partition *list, size_t *count, struct vm_error *err)
{
	struct vm_guestfs *g = state;
	struct guestfs_partition_list *found;
	char device[64];
	size_t n = 0;
	int result = 0;

	if (format_device(g, drive, 0, device, sizeof device, err) == -1)
		return -1;
	found = guestfs_part_list(g->h, device);
	if (found == NULL && !guestfs_is_ready(g->h))
		return vm_guestfs_error(g, device, err);
	if (found == NULL || found->len == 0) {
		/* no partition table: a file system on the whole drive? */
		result = describe(g, drive, 0, &list[n++], err);
	} else {
		for (;
		     n < found->len && n < VM_ENGINE_PARTITIONS && result == 0;
		     n++)
			result = describe(g, drive, found->val[n].part_num,
			    &list[n], err);
	}
	if (found != NULL)
		guestfs_free_partition_list(found);
	if (result == 0)
		*count = n;
	return result;
}

int
vm_guestfs_mount(void *state, size_t drive, int partition, const char *at,
    bool read_only, struct vm_error *err)
{
	struct vm_guestfs *g = state;
	char device[64], reason[VM_GUESTFS_REASON];

	if (format_device(g, drive, partition, device, sizeof device, err) ==
	    -1)
		return -1;
	if (guestfs_mount_options(g->h, read_only ? "ro" : "", device, at) !=
	    -1)
		return 0;
	vm_guestfs_error(g, at, err);
	if (err != NULL && err->kind != VM_E_UNAVAILABLE)
		return vm_error_set(err, VM_E_DATA, "guest_mount",
		    "partition %d cannot be mounted: %s", partition,
		    vm_guestfs_reason(g, reason));
	return -1;
}

int
vm_guestfs_unmount_all(void *state, struct vm_error *err)
{
	struct vm_guestfs *g = state;

	if (guestfs_umount_all(g->h) == -1)
		return vm_guestfs_error(g, "unmounting", err);
	return 0;
}
