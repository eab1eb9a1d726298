/*
 * export.h - a VM's disk as an image that depends on nothing.
 *
 * Theory of operation.  An object in tmp/ gets hard links to the disk and all
 * it stands on.  A VM that is stopped stays so meanwhile: its lock is held
 * shared, so several exports of it can run at once, but nobody starts or
 * changes it.  Of one that runs, a copy of this instant is taken first
 * (lib/qemu/live.h).  Unless the identity is to be kept, an overlay on that
 * disk is changed in an appliance (strip.h); the disk itself is only read.
 * Then all of it is written to a nameless file in the directory of FILE, which
 * gets its name at the very end; or to one in the store, which is copied to
 * standard output: by ourselves (lib/disk/flatten.h), or by qemu-img when it is
 * to be compressed or a VMDK.  Whoever is killed leaves litter in tmp/ and no
 * FILE.
 */
#ifndef VM_GUEST_EXPORT_H
#define VM_GUEST_EXPORT_H

#include "lib/adapt/json.h"
#include "lib/store/store.h"

struct vm_export_options {
	const char *file;   /* NULL: to out_fd */
	int out_fd;	    /* standard output */
	const char *format; /* "qcow2", "raw", "vmdk"; NULL: by file's end */
	const char *disk;   /* name of a data disk; NULL: the system's */
	bool compress;
	bool keep_identity;
	bool replace; /* a FILE that is there */
	bool dry_run;
	uint64_t timeout_ms; /* for the appliance; 0: none */
};

/* The format's name, found by the end of file where it is not given. */
const char *vm_export_format(const struct vm_export_options *options);

/*
 * Export the VM of this record, which gets
 *	"exported":{"path","format","size","sha256","warnings"}
 * ("path" when it is a file; warnings where the guest could not be stripped of
 * everything).  With dry_run nothing is made; it gets "planned":"export".
 *
 * VM_E_EXISTS "exists" (FILE is there), "stale_record"; VM_E_DENIED
 * "not_a_file", "in_store"; VM_E_NO_INPUT "vm_not_found", "disk_not_found",
 * "not_found" (FILE's directory); VM_E_TRY_AGAIN "in_use"; VM_E_DATA with a
 * hint when the guest is not understood; VM_E_IO "no_space"; and as
 * vm_appliance_run(), vm_img_flatten().
 */
int vm_export_run(struct vm_store *store,
    const struct vm_export_options *options, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

#endif
