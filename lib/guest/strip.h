/*
 * strip.h - what makes a guest itself, taken out of it.
 *
 * For an image that others make guests of: what vmcustomize writes into a clone
 * (identity.h) and what a system makes for itself when it first runs.  The list
 * stands in vmexport(1).  Accounts, their keys and passwords, and all that was
 * installed or written by anybody stay.
 *
 * Sources: machine-id(5), systemd-random-seed(8), systemd.link(5), dhcpcd(8),
 * cloud-init's "clean", virt-sysprep(1).
 */
#ifndef VM_GUEST_STRIP_H
#define VM_GUEST_STRIP_H

#include "lib/guest/ops.h"

/*
 * Take it out of the guest that is mounted.  SSH host keys are made anew at the
 * next boot, by a service of ours where the guest has none for it; what cannot
 * be taken out is a warning (text, added to `warnings`).
 */
int vm_strip_identity(const struct vm_op_context *context,
    struct vm_json *warnings, struct vm_error *err) VM_MUST_CHECK;

#endif
