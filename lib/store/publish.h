/*
 * publish.h - the only module that writes durably: all or nothing.
 *
 * Theory of operation.  An object is a directory built as tmp/<random>/ under
 * a flock of its own (so that a sweeper can tell litter from work), its files
 * are fsynced, sealed (mode) and their directory is fsynced; then it is renamed
 * into its final place with RENAME_NOREPLACE (a VM's replacement with
 * RENAME_EXCHANGE) and both parents are fsynced.  Single files are written
 * nameless (O_TMPFILE) and linked through /proc/self/fd, a replacement by
 * rename.  A killed process therefore leaves only litter under tmp/.
 *
 * Batches: up to 32 objects are fsynced one by one; more share one syncfs of
 * the store's file system before the renames and one fsync of each parent
 * after them; each object still becomes visible, or fails, on its own.
 *
 * Fault injection: VMPIPE_FAULT="POINT:NTH:ACTION[,...]" makes the NTH call
 * (from 1; "N+" from the Nth on) of a point (open, write, fsync, syncfs, link,
 * rename, mkdir, unlink, fsync_dir) fail with an errno's name, or "kill" the
 * process there.  VMPIPE_FAULT_LOG=FILE appends one line per call in order.
 * Both are ignored when the process runs with other rights than its caller's
 * (AT_SECURE).
 */
#ifndef VM_STORE_PUBLISH_H
#define VM_STORE_PUBLISH_H

#include <sys/types.h>

#include <stdbool.h>

#include "lib/store/store.h"

/* An object being built. */
struct vm_publish {
	struct vm_store *store;
	int dir_fd;    /* tmp/<random>, open and locked; -1: none */
	char name[32]; /* <random> */
	bool durable;  /* false: --no-sync */
};

/* Begin; *publish is overwritten.  The directory is empty, mode 0750. */
int vm_publish_begin(struct vm_store *store, struct vm_publish *publish,
    struct vm_error *err) VM_MUST_CHECK;

/* Create a file in it for writing (mode 0600); the descriptor is returned. */
int vm_publish_create(struct vm_publish *publish, const char *file,
    struct vm_error *err) VM_MUST_CHECK;

/* A whole file with these bytes and this mode, synced at commit. */
int vm_publish_write(struct vm_publish *publish, const char *file, mode_t mode,
    const void *data, size_t len, struct vm_error *err) VM_MUST_CHECK;

/* Hard-link dirfd/from as file.  EMLINK 71 "too_many_links", EXDEV 73. */
int vm_publish_link(struct vm_publish *publish, int dirfd, const char *from,
    const char *file, struct vm_error *err) VM_MUST_CHECK;

/* Done writing fd: set its mode and fsync it (unless in a large batch). */
int vm_publish_seal(struct vm_publish *publish, int fd, mode_t mode,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Make it visible as dir/name.  VM_E_EXISTS "exists" when the name is taken:
 * the object is then still there to be aborted.  With `exchange` an existing
 * object is replaced and the old one is left under tmp/<random>, moved to
 * trash/ (keep) or removed.  On success *publish is empty.
 */
enum vm_publish_mode {
	VM_PUBLISH_NEW,		/* RENAME_NOREPLACE */
	VM_PUBLISH_REPLACE,	/* exchange, old one removed */
	VM_PUBLISH_REPLACE_KEEP /* exchange, old one to trash/ */
};
int vm_publish_commit(struct vm_publish *publish, enum vm_store_dir dir,
    const char *name, enum vm_publish_mode mode, struct vm_error *err)
    VM_MUST_CHECK;

/* Many at once: results[i] says what became of each; -1 when none could be. */
int vm_publish_commit_all(struct vm_publish *publishes, enum vm_store_dir dir,
    const char *const *names, enum vm_publish_mode mode,
    struct vm_error *results, size_t count, struct vm_error *err) VM_MUST_CHECK;

/* Remove what was built; safe on an empty one. */
void vm_publish_abort(struct vm_publish *publish);
#define VM_CLEAN_PUBLISH VM_CLEAN(vm_publish_abort)

/*
 * A single file dirfd/name with these bytes, durable.  replace false: an
 * existing one is VM_E_EXISTS.
 */
int vm_publish_file(struct vm_store *store, int dirfd, const char *name,
    mode_t mode, const void *data, size_t len, bool replace,
    struct vm_error *err) VM_MUST_CHECK;

/* A nameless file in dir's file system to be written at leisure ... */
int vm_publish_tmpfile(struct vm_store *store, enum vm_store_dir dir,
    struct vm_error *err) VM_MUST_CHECK;
/* ... and its publication (fsync, mode, linkat NOREPLACE, parent fsync). */
int vm_publish_tmpfile_commit(struct vm_store *store, int fd,
    enum vm_store_dir dir, const char *name, mode_t mode, struct vm_error *err)
    VM_MUST_CHECK;

/* Move dir/name to trash/<name>.<n>; *trash_name (caller's, may be NULL). */
int vm_publish_trash(struct vm_store *store, enum vm_store_dir dir,
    const char *name, char **trash_name, struct vm_error *err) VM_MUST_CHECK;
/* Move trash/<trash_name> back as dir/name; taken: VM_E_EXISTS. */
int vm_publish_untrash(struct vm_store *store, const char *trash_name,
    enum vm_store_dir dir, const char *name, struct vm_error *err)
    VM_MUST_CHECK;

/* Remove litter under tmp/ whose lock nobody holds; *count may be NULL. */
int vm_publish_sweep(struct vm_store *store, size_t *count,
    struct vm_error *err) VM_MUST_CHECK;

#endif
