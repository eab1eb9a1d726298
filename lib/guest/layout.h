/*
 * layout.h - where a guest's file systems are and what system it is.
 *
 * Found once per base and kept in image.json or layer.json, so that clones,
 * which share every UUID and label, are mounted by drive index and partition:
 *
 *	{"version":1,
 *	 "mounts":[{"at":"/","partition":1},{"at":"/boot","partition":2}],
 *	 "fs":"ext4",				of the root
 *	 "os":{"id":"debian","like":"","version":"12","name":"Debian ..."},
 *	 "packages":"apt"|"dnf"|"yum"|"zypper"|"pacman"|"apk"|"none",
 *	 "init":"systemd"|"openrc"|"busybox"|"other",
 *	 "network":"networkd"|"ifupdown"|"networkmanager"|"none"}
 *
 * Only the one drive is looked at, through the engine, and what the guest says
 * of itself (os-release, fstab) is data: a name is never run, a path in fstab
 * only mounted on.
 */
#ifndef VM_GUEST_LAYOUT_H
#define VM_GUEST_LAYOUT_H

#include <stddef.h>

#include "lib/adapt/engine.h"
#include "lib/adapt/json.h"

/*
 * Find the layout of one drive; nothing is mounted before or after.
 * VM_E_DATA "guest_no_os", "guest_many_os", "guest_encrypted", "guest_lvm",
 * "guest_mount" (damaged, hibernated), each naming the partition.
 */
struct vm_json *vm_layout_find(const struct vm_engine *engine, size_t drive,
    struct vm_error *err) VM_MUST_CHECK;

/* Mount a drive for writing as the layout says. */
int vm_layout_mount(const struct vm_engine *engine, size_t drive,
    const struct vm_json *layout, struct vm_error *err) VM_MUST_CHECK;

#endif
