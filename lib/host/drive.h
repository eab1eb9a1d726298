/*
 * drive.h - a VM's disks as QEMU's block nodes.
 *
 * Every node of every chain is written out: the overlay, each layer, the
 * master, and the file below each of them, each with its format, so that QEMU
 * never probes one and never follows a name from a header on its own.  Only
 * the top is writable.  File names are relative: QEMU runs in the VM's
 * directory.
 */
#ifndef VM_HOST_DRIVE_H
#define VM_HOST_DRIVE_H

#include "lib/adapt/json.h"
#include "lib/base/error.h"
#include "lib/host/argv.h"

/*
 * Add the options for all disks of the VM whose directory is dir_fd.  The chain
 * is checked against the record first: its files are there, those below the
 * top cannot be written by anybody, and the lowest is the master that the
 * record names for that disk; otherwise VM_E_DATA "bad_chain".
 */
int vm_drive_add(struct vm_argv *argv, const struct vm_json *record, int dir_fd,
    struct vm_error *err) VM_MUST_CHECK;

#endif
