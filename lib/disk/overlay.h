/*
 * overlay.h - a disk that stands on others: read, written, mapped and checked.
 *
 * Source: QEMU docs/interop/qcow2.rst, version 3; version 2 is read.  A disk
 * is a chain of files in one directory.  The top one is named, and its format
 * given, by the caller; each qcow2 file names the next one and its format,
 * which is never guessed from bytes that a guest can write.  What a file does
 * not hold is in the one below it; what none of them holds is zero.
 *
 * Theory of operation.  A file's clusters are found through two levels of
 * tables, L1 and L2; a second pair, refcount table and refcount blocks, says
 * how often each cluster is in use.  L1 and the refcount table are kept in
 * memory, a few L2 tables and refcount blocks in a cache each.  Only the top
 * file is ever written, and new clusters come from its end.  A write puts the
 * guest's bytes into the file at once, into clusters that are the top's own
 * already or into new ones, whose other bytes are copied from below (with
 * extended L2 entries: those of the subclusters touched only); what the tables
 * say of new clusters stays in memory until vm_overlay_flush() or until the
 * cache is full of it.  Then it goes out in the only order that is safe,
 *
 *	1. refcount blocks, which raise counts only
 *	   (sync) refcount table, when it got a new block;
 *	   (sync) header, when the table had to move
 *	2. (sync) L2 tables: data and counts are there before they are named
 *	3. (sync) L1 table: so are the L2 tables
 *	4. (sync) refcount blocks, which lower the counts of what was replaced
 *
 * so that a process killed, or the power lost, between any two of these leaves
 * a disk that holds all that was flushed before, and at worst clusters that are
 * counted and not used.  vm_overlay_check() tells how many, `qemu-img check -r
 * leaks` gives them back.
 *
 * Nothing in the files is trusted with more than what the disk contains: a
 * damaged or hostile table is VM_E_DATA or wrong bytes, never a read or write
 * outside of a buffer, an endless loop, or a file outside of the directory.
 */
#ifndef VM_DISK_OVERLAY_H
#define VM_DISK_OVERLAY_H

#include <stdint.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

/* For one thread at a time. */
struct vm_overlay;

enum vm_overlay_access {
	VM_OVERLAY_READ,
	VM_OVERLAY_WRITE, /* the top file, which must be qcow2 */
};

/*
 * Open dir_fd/file, of format "qcow2" or "raw", and all that it stands on in
 * the same directory, following no symbolic links.  Nobody else may write the
 * top file meanwhile (a VM's: its lock is held), nobody ever writes the others.
 *
 * Of any file of the chain: VM_E_NO_INPUT "not_found", VM_E_DENIED "symlink",
 * "not_regular"; VM_E_DATA "bad_overlay" (backing.h), "format", "data_file",
 * "encrypted", "corrupt", "feature", "virtual_size", "bad_table", "truncated";
 * "chain_too_long" for more than VM_CHAIN_MAX below the top.  A top that is
 * written also must not be "dirty" (lazy refcounts, not closed), hold
 * "snapshots", be raw, of version 2 or with counts of other than 16 bits
 * ("feature").
 */
struct vm_overlay *vm_overlay_open(int dir_fd, const char *file,
    const char *format, enum vm_overlay_access access, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * The same for a top file that is open, perhaps nameless.  fd stays the
 * caller's, its offset is not kept; dir_fd is not needed afterwards, and -1 for
 * a file that stands on nothing, else it is VM_E_DATA "backing_file".
 */
struct vm_overlay *vm_overlay_open_fd(int fd, int dir_fd, const char *format,
    enum vm_overlay_access access, struct vm_error *err) VM_MUST_CHECK;

/* Virtual size, bytes. */
uint64_t vm_overlay_size(const struct vm_overlay *overlay);

/* The files of the chain: 1 for a disk that stands on nothing. */
size_t vm_overlay_depth(const struct vm_overlay *overlay);

/*
 * Fill data with what the guest sees at offset; beyond the disk's end: VM_E_BUG
 * "bad_range".  VM_E_DATA "bad_table", "bad_compression", "truncated"; VM_E_IO.
 */
int vm_overlay_read(struct vm_overlay *overlay, void *data, size_t len,
    uint64_t offset, struct vm_error *err) VM_MUST_CHECK;

/*
 * Write, as a guest would; range and alignment as for read.  Lasting after the
 * next flush.  On failure some of the bytes may have been written, as with any
 * disk, and all others are what they were.  Compressed clusters and clusters
 * that are used elsewhere too are replaced, not changed.
 */
int vm_overlay_write(struct vm_overlay *overlay, const void *data, size_t len,
    uint64_t offset, struct vm_error *err) VM_MUST_CHECK;

/*
 * Make what was written last, in the order said above.  After a failure
 * (VM_E_IO; VM_E_DATA "bad_refcount", when what was replaced had not been
 * counted) the handle is good for reading only, and says "flush_failed" to
 * anything else: nobody knows what the kernel has dropped.
 */
int vm_overlay_flush(struct vm_overlay *overlay, struct vm_error *err)
    VM_MUST_CHECK;

enum vm_overlay_kind {
	VM_OVERLAY_DATA,
	VM_OVERLAY_ZERO, /* zeros: written as such, or a raw file's hole */
	VM_OVERLAY_HOLE, /* zeros: no file holds anything here */
};

/* A part of the disk that one file of the chain answers for. */
struct vm_overlay_extent {
	uint64_t offset; /* bytes */
	uint64_t len;
	enum vm_overlay_kind kind;
	unsigned depth; /* which file: 0 is the top; a hole: where it ended */
};

/*
 * What is at offset, and how far (at most len, not 0) it goes on like that;
 * range and errors as for read.  Call it again at extent->offset + len.
 */
int vm_overlay_map(struct vm_overlay *overlay, uint64_t offset, uint64_t len,
    struct vm_overlay_extent *extent, struct vm_error *err) VM_MUST_CHECK;

struct vm_overlay_check {
	uint64_t allocated; /* clusters that hold data, compressed or not */
	uint64_t leaked;    /* clusters counted more often than used */
	uint64_t snapshots; /* internal ones; theirs are counted as well */
};

/*
 * Are the top file's tables sound, and its counts right?  Clusters leaked are
 * no failure.  Neither is a dirty file (lazy refcounts, its VM was killed) with
 * counts too low, which its next start repairs.  VM_E_DATA "bad_table": a table
 * or cluster outside the file or unaligned, reserved bits; "overlap": a cluster
 * with two uses that cannot be shared; "bad_refcount": one counted less often
 * than it is used, or marked as its table's own and it is not.  Write back
 * first: what has not been flushed is not looked at.  A raw file is sound.
 */
int vm_overlay_check(struct vm_overlay *overlay, struct vm_overlay_check *check,
    struct vm_error *err) VM_MUST_CHECK;

/* What has not been flushed is lost. */
void vm_overlay_close(struct vm_overlay **overlay);
#define VM_CLEAN_OVERLAY VM_CLEAN(vm_overlay_close)

#endif
