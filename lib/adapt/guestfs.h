/*
 * guestfs.h - the engine that reaches guests through a libguestfs appliance.
 *
 * One appliance serves the drives that were added before it was started, each
 * with its format given, never guessed.  libguestfs' own direct
 * back end is used; whether it may use KVM is said by
 * LIBGUESTFS_BACKEND_SETTINGS (lib/qemu/accel.h).
 */
#ifndef VM_ADAPT_GUESTFS_H
#define VM_ADAPT_GUESTFS_H

#include "lib/adapt/engine.h"
#include "lib/base/clean.h"

struct vm_guestfs;

struct vm_guestfs_options {
	int memory_mib; /* 0: libguestfs' default */
	bool network;	/* user-mode network in the appliance */
};

struct vm_guestfs *vm_guestfs_new(const struct vm_guestfs_options *options,
    struct vm_error *err) VM_MUST_CHECK;

/* The next drive: a qcow2 (or raw) file of ours, opened for writing. */
int vm_guestfs_add_drive(struct vm_guestfs *g, const char *path, bool is_raw,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Start the appliance.  VM_E_UNAVAILABLE "no_kernel" (none that we may read),
 * "no_appliance" (anything else, with libguestfs' reason).
 */
int vm_guestfs_launch(struct vm_guestfs *g, struct vm_error *err) VM_MUST_CHECK;

/* Borrow it as an engine. */
struct vm_engine vm_guestfs_engine(struct vm_guestfs *g);

/* Everything written is on the drives' files when this returns 0. */
int vm_guestfs_shutdown(struct vm_guestfs *g, struct vm_error *err)
    VM_MUST_CHECK;

/* Kill the appliance where it still runs; NULL is fine. */
void vm_guestfs_free(struct vm_guestfs *g);
void vm_guestfs_clean(struct vm_guestfs **g);
#define VM_CLEAN_GUESTFS VM_CLEAN(vm_guestfs_clean)

#endif
