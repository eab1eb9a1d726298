/*
 * ext4.h - an ext4 file system on a new disk file, made by mke2fs(8).
 *
 * The file is named to it as a descriptor, so that no path is looked up twice.
 */
#ifndef VM_DISK_EXT4_H
#define VM_DISK_EXT4_H

#include <stdbool.h>

#include "lib/base/error.h"

#define VM_EXT4_UUID 37 /* text and the NUL */
#define VM_EXT4_LABEL_MAX 16

/*
 * Fill fd, a file that has its size and holds nothing yet: one with any data in
 * it is refused, VM_E_EXISTS "not_empty".  uuid says which it got.
 * VM_E_UNAVAILABLE "no_program" or "program_failed", VM_E_IO "no_space".
 */
int vm_ext4_make(int fd, const char *label, char uuid[VM_EXT4_UUID],
    struct vm_error *err) VM_MUST_CHECK;

/* Is mke2fs on this host? */
bool vm_ext4_can_make(void);

/* The file system's UUID; VM_E_DATA "not_ext4". */
int vm_ext4_read_uuid(int fd, char uuid[VM_EXT4_UUID], struct vm_error *err)
    VM_MUST_CHECK;

#endif
