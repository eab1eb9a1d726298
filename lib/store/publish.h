/*
 * publish.h - the only module that writes durably: all or nothing.
 *
 * Theory of operation.  An object is a directory built as tmp/<random>/ under
 * a flock of its own (so that a sweeper can tell litter from work), its files
 * are sealed (mode) and fsynced and their directory is fsynced; then it is
 * renamed into its final place with RENAME_NOREPLACE (a VM's replacement with
 * RENAME_EXCHANGE) and both parents are fsynced.  Single files are written
 * nameless (O_TMPFILE) and linked through /proc/self/fd, a replacement by
 * rename.  A killed process therefore leaves only litter under tmp/.
 *
 * When a parent cannot be fsynced after the rename, it is tried once more
 * through a new descriptor; if that fails too the rename is undone, so that an
 * error always means: nothing was published.
 *
 * Sweeping.  The flock is on the directory itself.  A maker that loses the
 * race against a sweeper between mkdir and flock sees that the name is gone
 * (or is another directory) and begins anew; a sweeper that opened a directory
 * which was then renamed into place sees that its name under tmp/ is gone, and
 * leaves it alone.
 *
 * Batches: up to VM_PUBLISH_EACH objects are fsynced one by one.  In a larger
 * one the caller sets `batched` in each object after beginning it; then nothing
 * is fsynced while it is built, and the commit makes one syncfs of the store's
 * file system before the renames and one fsync of each parent after them.  Each
 * object still becomes visible, or fails, on its own.  An object holds one
 * descriptor (the soft limit is raised when it is reached), so very large work
 * is best cut into batches of VM_PUBLISH_BATCH.
 *
 * Fault injection (durable.h): VMPIPE_FAULT="POINT:NTH:ACTION[,...]" makes
 * the NTH call (from 1; "N+" from the Nth on) of a point (open, write, fsync,
 * syncfs, link, rename, mkdir, unlink, fsync_dir) fail with an errno's name, or
 * "kill" the process there.  VMPIPE_FAULT_LOG=FILE appends one line per call in
 * order.  Both are read when the store is opened and ignored when the process
 * runs with other rights than its caller's (AT_SECURE).
 */
#ifndef VM_STORE_PUBLISH_H
#define VM_STORE_PUBLISH_H

#include <sys/types.h>

#include <stdbool.h>

#include "lib/store/store.h"

#define VM_PUBLISH_EACH 32
#define VM_PUBLISH_BATCH 512

/* An object being built; all-zero is none. */
struct vm_publish {
	struct vm_store *store; /* NULL: none */
	int dir_fd;		/* tmp/<random>, open and locked */
	enum vm_store_dir at;	/* VM_STORE_TMP while it is built */
	char name[96];		/* <random> */
	bool durable;		/* true at first; false: --no-sync */
	bool batched;		/* false at first; true: synced at commit */
};

/* A name that nobody else has, 16 hex digits. */
#define VM_PUBLISH_NAME 17
int vm_publish_make_name(char name[VM_PUBLISH_NAME], struct vm_error *err)
    VM_MUST_CHECK;

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

/*
 * Hard-link every regular file of dirfd under its name but those of `made`
 * (NULL-terminated), which the caller makes anew: chain, lock, logs.
 */
int vm_publish_link_rest(struct vm_publish *publish, int dirfd,
    const char *const *made, struct vm_error *err) VM_MUST_CHECK;

/* Done writing fd: set its mode and fsync it (unless in a large batch). */
int vm_publish_seal(struct vm_publish *publish, int fd, mode_t mode,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Make it visible as dir/name.  VM_E_EXISTS "exists" when the name is taken:
 * the object is then still there to be aborted.  The replacing mode exchanges
 * it with an object that must be there (VM_E_NO_INPUT "not_found"); a VM's lock
 * is held and has been linked into the replacement by the caller.  On success
 * *publish is empty.
 */
enum vm_publish_mode {
	VM_PUBLISH_NEW,	   /* RENAME_NOREPLACE */
	VM_PUBLISH_REPLACE /* exchange, old one removed */
};
int vm_publish_commit(struct vm_publish *publish, enum vm_store_dir dir,
    const char *name, enum vm_publish_mode mode, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Many at once: results[i] says what became of each (all clear: published);
 * -1 with *err, copied to all results, when the syncs failed: none is
 * published then.  Objects of mixed `batched` are fine.
 */
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

/*
 * A file in a directory that is not the store's and may be on another file
 * system, to be written at leisure: nameless until it is published, or, where
 * there are no nameless files, .<random>, which stays there when we are killed.
 * All-zero is none.
 */
struct vm_outside {
	struct vm_store *store; /* NULL: none */
	int dir_fd;		/* borrowed */
	int fd;			/* reads and writes */
	char temporary[VM_PUBLISH_NAME + 1];
};
int vm_publish_outside_begin(struct vm_store *store, int dir_fd,
    struct vm_outside *outside, struct vm_error *err) VM_MUST_CHECK;
/*
 * Durable under this name; replace false: an existing one is VM_E_EXISTS and
 * stays as it is.  The descriptor stays open until the abort.
 */
int vm_publish_outside_commit(struct vm_outside *outside, const char *name,
    mode_t mode, bool replace, struct vm_error *err) VM_MUST_CHECK;
void vm_publish_outside_abort(struct vm_outside *outside);
#define VM_CLEAN_OUTSIDE VM_CLEAN(vm_publish_outside_abort)

/* The same for a few bytes, replacing. */
int vm_publish_file_outside(struct vm_store *store, int dirfd, const char *name,
    mode_t mode, const void *data, size_t len, struct vm_error *err)
    VM_MUST_CHECK;

/* A nameless file in dir's file system to be written at leisure ... */
int vm_publish_tmpfile(struct vm_store *store, enum vm_store_dir dir,
    struct vm_error *err) VM_MUST_CHECK;
/* ... and its publication (fsync, mode, linkat NOREPLACE, parent fsync). */
int vm_publish_tmpfile_commit(struct vm_store *store, int fd,
    enum vm_store_dir dir, const char *name, mode_t mode, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Move dir/name to <name>.<n> in trash/ or quarantine/, n above all that are
 * there; *kept_name is the caller's and may be NULL.
 */
int vm_publish_keep(struct vm_store *store, enum vm_store_dir dir,
    const char *name, enum vm_store_dir keep_dir, char **kept_name,
    struct vm_error *err) VM_MUST_CHECK;

/* The same into trash/. */
int vm_publish_trash(struct vm_store *store, enum vm_store_dir dir,
    const char *name, char **trash_name, struct vm_error *err) VM_MUST_CHECK;
/* Move trash/<trash_name> back as dir/name; taken: VM_E_EXISTS. */
int vm_publish_untrash(struct vm_store *store, const char *trash_name,
    enum vm_store_dir dir, const char *name, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * dir/name and other_dir/other_name change places, durably or not at all; both
 * must be there.  The caller knows that nobody else is at work on either.
 */
int vm_publish_exchange(struct vm_store *store, enum vm_store_dir dir,
    const char *name, enum vm_store_dir other_dir, const char *other_name,
    struct vm_error *err) VM_MUST_CHECK;

/* The highest n of <wish>.<n> in a sorted list of names; 0: none. */
uint64_t vm_publish_newest(char *const *names, const char *wish);

/*
 * The parts of the above, for many moves that share their syncs: a move, a
 * move to keep_dir/<wish>.<n> with the first free n above this one, and what
 * makes moves between two directories last.  When the last fails, the caller
 * moves everything back.
 */
int vm_publish_move_unsynced(struct vm_store *store, enum vm_store_dir dir,
    const char *name, enum vm_store_dir to_dir, const char *to_name,
    struct vm_error *err) VM_MUST_CHECK;
int vm_publish_keep_unsynced(struct vm_store *store, enum vm_store_dir dir,
    const char *name, enum vm_store_dir keep_dir, const char *wish,
    uint64_t above, char **kept_name, struct vm_error *err) VM_MUST_CHECK;
int vm_publish_settle(struct vm_store *store, enum vm_store_dir dir,
    enum vm_store_dir to_dir, struct vm_error *err) VM_MUST_CHECK;

/*
 * Remove litter under tmp/ whose lock nobody holds; *count (of names removed)
 * may be NULL.  What cannot be removed is left for the next time; the first
 * such failure is reported after the others were tried.
 */
int vm_publish_sweep(struct vm_store *store, size_t *count,
    struct vm_error *err) VM_MUST_CHECK;

#endif
