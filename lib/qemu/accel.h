/*
 * accel.h - is KVM real here?  Proved, not assumed.
 *
 * /dev/kvm may open and still not run a guest.  The verdict comes from a small
 * guest run under the flags that vmdeploy uses: it executes a few instructions
 * and ends QEMU through the isa-debug-exit device; only that exit status is
 * proof.  The verdict is kept in locks/accel.json with the host's boot id and
 * QEMU's version, so that it is asked once per boot; emulation is warned about
 * once per boot.
 */
#ifndef VM_QEMU_ACCEL_H
#define VM_QEMU_ACCEL_H

#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

struct vm_accel {
	bool kvm;	  /* else tcg */
	char reason[256]; /* why not, one line */
	bool fresh;	  /* found out just now: the caller may warn */
};

/* VM_E_UNAVAILABLE "no_qemu" when there is no qemu-system-x86_64. */
int vm_accel_get(struct vm_store *store, struct vm_accel *accel,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Set LIBGUESTFS_BACKEND_SETTINGS=force_tcg in our environment when KVM is not
 * proved (unless the caller's environment already says something).
 */
int vm_accel_setup_guestfs(struct vm_store *store, struct vm_error *err)
    VM_MUST_CHECK;

#endif
