/*
 * live.h - what is done to the disks of a VM that runs, by its own QEMU.
 *
 * Theory of operation.  All of it goes through the monitor in short questions,
 * each on a connection of its own, so that other commands are served between
 * them and nothing but the copying itself outlives one.  One process at a time
 * works on a VM: it holds a flock(2) on the VM's directory, which dies with it;
 * whoever has it may therefore take away all jobs and nodes named with our
 * prefix, as they are those of a process that was killed.
 *
 * A copy is blockdev-backup (QEMU docs/interop/live-block-operations.rst): the
 * files to be written are ours, empty and opened by us; their descriptors go to
 * QEMU over the monitor's socket (add-fd), so that it needs no name and no
 * right to make anything.  What the guest overwrites while the copy is made is
 * saved first, so that the copy is of one instant, that of the start.
 *
 * The guest agent, where one answers, is asked to freeze the file systems
 * around that instant (freeze.h): they are then clean.  Otherwise the copy is
 * what the disk would hold after a power cut, which -v says.
 */
#ifndef VM_QEMU_LIVE_H
#define VM_QEMU_LIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/adapt/json.h"
#include "lib/base/error.h"

/* Disks of one VM that are copied or snapshotted together. */
#define VM_LIVE_MAX 16

struct vm_live_target {
	size_t disk;	    /* which of the record's disks; 0: the system's */
	int fd;		    /* borrowed; read and write, regular, empty */
	const char *format; /* "qcow2" or "raw" */
	bool full;	    /* all of it; else only what lies above the base */
};

/*
 * Copy disks of the running VM of this record (its directory is dir_fd), all as
 * of the same instant.  Each target is as large as its disk: a qcow2 overlay
 * just created (its backing file is not opened) or, with `full`, one without
 * backing file or a raw file of that size, which gets holes where it is zero.
 * A disk that is raw itself can be copied in full only.  Nothing is synced.
 *
 * ^C ends it and leaves nothing behind.  VM_E_TRY_AGAIN "in_use": another copy
 * or snapshot of this VM is being made; VM_E_UNAVAILABLE "not_listening": it
 * does not run, and as vm_qmp_call(); VM_E_EXISTS "foreign_monitor";
 * VM_E_IO "no_space", "copy_failed".
 */
int vm_live_copy(const struct vm_json *record, int dir_fd,
    const struct vm_live_target *targets, size_t count, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Make the internal snapshot `tag` of these disks (qcow2, none has it yet) of
 * the running VM: all of them or, failing it, none.
 */
int vm_live_snapshot(const struct vm_json *record, int dir_fd,
    const size_t *disks, size_t count, const char *tag, struct vm_error *err)
    VM_MUST_CHECK;

/* Delete it from each of these disks, all of which have it. */
int vm_live_delete(const struct vm_json *record, int dir_fd,
    const size_t *disks, size_t count, const char *tag, struct vm_error *err)
    VM_MUST_CHECK;

#endif
