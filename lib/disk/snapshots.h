/*
 * snapshots.h - the internal snapshots of a qcow2 file, from its own table.
 *
 * Source: QEMU docs/interop/qcow2.rst, "Snapshots".  The table is read and
 * never trusted: QEMU's limits hold, everything must lie in the file, and
 * names are checked.  The file may be one that QEMU has open: it writes a new
 * table to a new place and then changes the header, so a table is believed when
 * the header is the same before and after it was read.
 */
#ifndef VM_DISK_SNAPSHOTS_H
#define VM_DISK_SNAPSHOTS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

struct vm_snapshot {
	char id[128];	       /* QEMU's number for it, as text */
	char name[256];	       /* valid UTF-8, no control characters */
	int64_t created_s;     /* since 1970 */
	uint64_t state_bytes;  /* of a saved machine; 0: the disk alone */
	uint64_t virtual_size; /* of the disk then */
};

/* All-zero is empty. */
struct vm_snapshots {
	struct vm_snapshot *items; /* in the order of the table */
	size_t count;
};

/*
 * All snapshots of the qcow2 file fd.  VM_E_DATA "not_qcow2", or
 * "bad_snapshots" when the table makes no sense; VM_E_TRY_AGAIN "changing" when
 * it never was the same twice.
 */
int vm_snapshots_read(int fd, struct vm_snapshots *snapshots,
    struct vm_error *err) VM_MUST_CHECK;
void vm_snapshots_release(struct vm_snapshots *snapshots);
#define VM_CLEAN_SNAPSHOTS VM_CLEAN(vm_snapshots_release)

/* How many the header says there are; the table is not looked at. */
int vm_snapshots_count(int fd, size_t *count, struct vm_error *err)
    VM_MUST_CHECK;

/* Borrow the one of this name (the first, should there be two), or NULL. */
const struct vm_snapshot *vm_snapshots_find(
    const struct vm_snapshots *snapshots, const char *name);

#endif
