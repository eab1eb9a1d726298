/*
 * tap.h - a tap device on a bridge, as a descriptor for QEMU.
 *
 * As root the device is made and added here; it is not persistent and ends
 * with the last descriptor, so nothing is left behind by a VM.  Otherwise
 * QEMU's set-uid qemu-bridge-helper does it, where the administrator has
 * allowed that bridge in /etc/qemu/bridge.conf, and sends us the descriptor.
 */
#ifndef VM_HOST_TAP_H
#define VM_HOST_TAP_H

#include "lib/base/error.h"

/* VM_E_UNAVAILABLE "no_bridge" or "no_tap", with what to type. */
int vm_tap_open(const char *bridge, struct vm_error *err) VM_MUST_CHECK;

/* The helper's path, or NULL. */
const char *vm_tap_find_helper(void);

#endif
