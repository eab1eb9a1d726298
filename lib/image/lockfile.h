/*
 * lockfile.h - what each alias was when it was right: --lock FILE.
 *
 * A text for version control: one JSON object a line, in the order of the
 * aliases,
 *
 *	{"alias":"debian-12","source":"https://.../latest/debian-12.qcow2",
 *	"url":"https://.../20261101/debian-12.qcow2","digest":"sha256:...",
 *	"size":331743232,"date":"2026-11-22T20:00:00Z"}
 *
 * where source is what was asked for, url where redirects led, digest and size
 * (bytes) are those of the file as published, and date is when it was fetched.
 */
#ifndef VM_IMAGE_LOCKFILE_H
#define VM_IMAGE_LOCKFILE_H

#include "lib/image/fetch.h"

/*
 * Note the image in the file: its alias's line is added or replaced, durably
 * and at once; a line that says the same already is left alone.
 */
int vm_lockfile_note(struct vm_store *store, const char *path,
    const struct vm_fetched *fetched, struct vm_error *err) VM_MUST_CHECK;

/*
 * Fetch what the file says that the source (or alias) is, from the URL noted
 * there.  VM_E_NO_INPUT "no_lock_file"; VM_E_DATA "bad_lock_file",
 * "not_locked" (no line for it), "lock_drift" (the line is of another source
 * or digest).
 */
int vm_lockfile_fetch(struct vm_store *store, const struct vm_source *source,
    const struct vm_fetch_options *options, struct vm_fetched *fetched,
    struct vm_error *err) VM_MUST_CHECK;

#endif
