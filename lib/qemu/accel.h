/*
 * accel.h - is KVM real here?  Proved, not assumed.
 *
 * /dev/kvm may open and still not run a guest.  The verdict comes from a small
 * guest (accel_guest.h) run under the flags that vmdeploy uses: it ends QEMU
 * through the isa-debug-exit device, and only that exit status is proof.  It
 * gets 4 s of processor time and 10 s in all.  The run is spared where KVM
 * cannot be: no /dev/kvm, or a processor without VMX and SVM.
 *
 * The verdict is kept in locks/accel.json with the host's boot id and the QEMU
 * program's identity (path, size, mtime), so that it is asked once per boot;
 * emulation is warned about once per boot.  What can be seen without a test
 * guest (permissions!) is looked at each time, and a change of it asks anew.
 */
#ifndef VM_QEMU_ACCEL_H
#define VM_QEMU_ACCEL_H

#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

#define VM_ACCEL_QEMU "qemu-system-x86_64"

struct vm_accel {
	bool kvm;	  /* else tcg */
	bool tried;	  /* the test guest has decided */
	char reason[256]; /* why not, one line */
	bool fresh;	  /* found out just now: the caller may warn */
};

/* VM_E_UNAVAILABLE "no_qemu" when there is no qemu-system-x86_64. */
int vm_accel_get(struct vm_store *store, struct vm_accel *accel,
    struct vm_error *err) VM_MUST_CHECK;

/* The same, found out anew whatever was kept, and nothing is kept. */
int vm_accel_prove(struct vm_accel *accel, struct vm_error *err) VM_MUST_CHECK;

/*
 * Set LIBGUESTFS_BACKEND_SETTINGS=force_tcg in our environment when KVM is not
 * proved (unless the caller's environment already says something).
 */
int vm_accel_setup_guestfs(struct vm_store *store, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * The absolute path of the QEMU program in PATH, the caller's; NULL with
 * VM_E_UNAVAILABLE "no_qemu".
 */
char *vm_accel_find_qemu(struct vm_error *err) VM_MUST_CHECK;

/* Run the test guest under "kvm" or "tcg": 1 it ran, 0 not (reason), -1. */
int vm_accel_try(const char *qemu, const char *type, char reason[256],
    struct vm_error *err) VM_MUST_CHECK;

#endif
