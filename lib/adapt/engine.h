/*
 * engine.h - how the file systems inside a guest's disks are reached.
 *
 * An engine is a small set of acts on the file system that is mounted now;
 * what an operation does is expressed in nothing else (lib/guest), so that
 * another engine can carry the same operations out.  guestfs.h is one; the
 * unit tests have one that works in a directory.
 *
 * Drives are counted from 0 in the order in which they were added.  Partition
 * 0 is the whole drive.  Paths are absolute in the guest; no act follows a
 * symbolic link in the last component.  Failures are
 *
 *	VM_E_NO_INPUT "not_found"	nothing there
 *	VM_E_IO "guest_full"		the guest's file system is full
 *	VM_E_DATA "guest_read_only"	... or read-only
 *	VM_E_DATA "guest_error"		what else the guest's file system says
 *	VM_E_UNAVAILABLE "engine"	the engine itself is gone: nothing more
 *					can be done through it
 */
#ifndef VM_ADAPT_ENGINE_H
#define VM_ADAPT_ENGINE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

#define VM_ENGINE_TEXT_MAX ((size_t)2 << 20) /* read and write: one piece */
#define VM_ENGINE_PARTITIONS 128

enum vm_engine_type {
	VM_ENGINE_FILE,
	VM_ENGINE_DIR,
	VM_ENGINE_LINK,
	VM_ENGINE_OTHER
};

struct vm_engine_stat {
	enum vm_engine_type type;
	unsigned mode; /* permission bits, 07777 */
	uint32_t uid, gid;
	uint64_t size;
};

struct vm_engine_partition {
	int number;    /* 0: the whole drive */
	char fs[32];   /* "ext4"; "": unknown */
	char uuid[64]; /* of the file system, or "" */
	char label[64];
};

struct vm_engine_ops {
	/* What is on a drive; list has room for VM_ENGINE_PARTITIONS. */
	int (*partitions)(void *state, size_t drive,
	    struct vm_engine_partition *list, size_t *count,
	    struct vm_error *err);
	int (*mount)(void *state, size_t drive, int partition, const char *at,
	    bool read_only, struct vm_error *err);
	int (*unmount_all)(void *state, struct vm_error *err);

	int (*stat)(void *state, const char *path, struct vm_engine_stat *st,
	    struct vm_error *err);
	/* Append path with every link on the way resolved. */
	int (*real_path)(void *state, const char *path, struct vm_buf *out,
	    struct vm_error *err);
	int (*read)(void *state, const char *path, struct vm_buf *out,
	    struct vm_error *err);
	/* Append the names in a directory, sorted, each ended by a NUL. */
	int (*list)(void *state, const char *path, struct vm_buf *names,
	    struct vm_error *err);
	/* Append the paths that match, sorted, each ended by a NUL. */
	int (*glob)(void *state, const char *pattern, struct vm_buf *paths,
	    struct vm_error *err);

	/* A new file (what was there is truncated). */
	int (*write)(void *state, const char *path, const void *data,
	    size_t len, struct vm_error *err);
	int (*upload)(void *state, int fd, const char *path,
	    struct vm_error *err);
	int (*mkdir)(void *state, const char *path, unsigned mode,
	    struct vm_error *err);
	int (*chmod)(void *state, const char *path, unsigned mode,
	    struct vm_error *err);
	int (*chown)(void *state, const char *path, uint32_t uid, uint32_t gid,
	    struct vm_error *err);
	/* Security label and other attributes; a file system with none: 0. */
	int (*copy_attributes)(void *state, const char *from, const char *to,
	    struct vm_error *err);
	int (*symlink)(void *state, const char *target, const char *path,
	    struct vm_error *err);
	int (*rename)(void *state, const char *from, const char *to,
	    struct vm_error *err);
	/*
	 * Overwrite the bytes of a regular file where they are, and see that
	 * they are written.
	 */
	int (*wipe)(void *state, const char *path, struct vm_error *err);
	/*
	 * Tell the drive which blocks of the file system mounted there hold
	 * nothing, so that it forgets them; one that cannot: 0.
	 */
	int (*trim)(void *state, const char *at, struct vm_error *err);
	/* With all below it; nothing there is success. */
	int (*remove)(void *state, const char *path, struct vm_error *err);

	/*
	 * Run a program of the guest in the guest's file system, as root;
	 * another status than 0 is VM_E_DATA "guest_command".
	 */
	int (*run)(void *state, const char *const *argv, struct vm_error *err);
};

struct vm_engine {
	const struct vm_engine_ops *ops;
	void *state;
};

#endif
