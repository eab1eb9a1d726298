/*
 * img.h - qemu-img, kept in a sandbox: it reads what strangers have written.
 *
 * It may read its own libraries and the one input, write the one output (or
 * the one disk that it changes), and nothing else: Landlock closes the file
 * system, a seccomp filter refuses new sockets, limits cap memory, CPU time and
 * the output's size, and a time-out ends it.  A kernel without Landlock leaves
 * the other four.  The file has been inspected before (inspect.h), or is one
 * that QEMU and we have written; this is the second wall, not the first.
 */
#ifndef VM_QEMU_IMG_H
#define VM_QEMU_IMG_H

#include <stdint.h>

#include "lib/base/error.h"

struct vm_img_convert {
	int dir_fd;	       /* of both files */
	const char *from;      /* a file that passed inspection; no commas */
	const char *driver;    /* "qcow2", "vpc,OPTION=...": as QEMU has it */
	const char *to;	       /* an empty file of its virtual size */
	uint64_t virtual_size; /* bytes */
	uint64_t timeout_ms;   /* 0: by the size */
};

/*
 * Unpack `from` into the sparse raw file `to`.  VM_E_UNAVAILABLE "no_program"
 * (hint: the package), VM_E_BUG "qemu_img" (it failed or died; its last words
 * are in the message), VM_E_DATA "bad_data" (what the tables point to is not
 * what it should be), VM_E_IO "no_space", VM_E_TRY_AGAIN "timeout".  `to` is
 * worthless then.
 */
int vm_img_convert_raw(const struct vm_img_convert *convert,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Does the QEMU that is here know extended L2 entries (since 5.2)?  Its
 * qemu-img is asked for its version: VM_E_UNAVAILABLE "no_extended_l2",
 * "no_program", VM_E_PROTOCOL "no_version" when it does not say one.
 */
int vm_img_check_extended_l2(struct vm_error *err) VM_MUST_CHECK;

enum vm_img_snapshot {
	VM_IMG_SNAPSHOT_MAKE,
	VM_IMG_SNAPSHOT_APPLY, /* the disk becomes what it was then */
	VM_IMG_SNAPSHOT_DELETE
};

/*
 * Do this with the internal snapshot `tag` of the qcow2 file dir_fd/file (a
 * plain name; no quotes), which nobody has open; its backing file is not
 * opened.  With lock_fd, not -1, it is changed in place: qemu-img holds that
 * lock until it is done, and neither ^C nor our own end stops it half-way.
 * Killed itself it leaves the disk as it was, or as it was to be, with
 * reference counts that are too high at worst.
 * Names are not unique for qemu-img: the caller knows that the tag is there, or
 * is not.  Errors as above.
 */
int vm_img_snapshot(int dir_fd, const char *file, enum vm_img_snapshot what,
    const char *tag, int lock_fd, struct vm_error *err) VM_MUST_CHECK;

#endif
