/*
 * part.h - what has come of a download, kept to go on from.
 *
 * Theory of operation.  While a source's bytes arrive they are also written to
 * incoming/<sha256 of the source>/data, and beside it to sums: one line of JSON
 * that says what it is (source, length, ETag), then for each VM_PART_STEP bytes
 * the SHA-256 of everything from the beginning to there, which the download's
 * own running digest gives for nothing.  The next process, whatever ended this
 * one, feeds the data up to the last sum into its pipeline, whose hasher
 * compares each sum on the way, and asks the server for the rest only.  Nothing
 * is synced: what a power cut has spoilt, the sums find out.
 *
 * A part is kept only of a file that can be gone on with: its length is known,
 * and it has a strong ETag or is pinned to a digest.  The directory is flocked
 * by who uses it, so that a sweeper can tell.  A part is a convenience: when it
 * cannot be written (the disk is full) it goes, and the download goes on.
 */
#ifndef VM_SOURCE_PART_H
#define VM_SOURCE_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/adapt/curl_http.h"
#include "lib/base/clean.h"
#include "lib/base/error.h"
#include "lib/source/source.h"
#include "lib/store/store.h"

#define VM_PART_STEP ((uint64_t)1 << 20)

struct vm_part;

/*
 * Open the source's part, or begin an empty one; another process has it, or it
 * cannot be made: NULL, and the download does without.  Unless `keep` one that
 * is there is removed, and NULL given.
 */
struct vm_part *vm_part_open(struct vm_store *store,
    const struct vm_source *source, bool keep);

/* Bytes of it to be fed first (a multiple of VM_PART_STEP), 0: none. */
uint64_t vm_part_prefix(const struct vm_part *part);
/* Of the whole file, when there is a prefix. */
uint64_t vm_part_length(const struct vm_part *part);
const char *vm_part_etag(const struct vm_part *part); /* "" : none */

/* Read len bytes of the prefix. */
int vm_part_read(const struct vm_part *part, uint64_t offset, void *data,
    size_t len, struct vm_error *err) VM_MUST_CHECK;

/*
 * The download begins: after the prefix, which must be there still (its ETag is
 * forgotten unless the reply has the same), or with nothing, when what is kept
 * is thrown away and the reply says whether the rest is worth keeping (in
 * free_bytes, beside an image of the same size).
 */
void vm_part_begin(struct vm_part *part, const struct vm_http_reply *reply,
    bool pinned, uint64_t free_bytes);

/*
 * The file's bytes, in order and many at a time: small writes would make the
 * page cache slow; what the prefix has is not written again.  When they cannot
 * be written the part goes; that is a failure (VM_E_IO ...) only when it has
 * been lent.  part may be NULL.
 */
int vm_part_write(struct vm_part *part, const void *data, size_t len,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The part's descriptor, of a file with all bytes that have come so far and
 * will come, so that no copy of them must be made (another thread may call
 * this, when it has been given some); -1: they are not kept.
 */
int vm_part_lend(struct vm_part *part);

/*
 * The SHA-256 of the first `position` bytes, a multiple of VM_PART_STEP, whose
 * bytes were written before (another thread may call this).  In the prefix it
 * must be as noted: else VM_E_UNAVAILABLE "restart".  And as vm_part_write().
 */
int vm_part_note(struct vm_part *part, uint64_t position, const char *hex,
    struct vm_error *err) VM_MUST_CHECK;

/* Remove it; then, or keep what there is, close it.  *part may be NULL. */
void vm_part_discard(struct vm_part *part);
void vm_part_clean(struct vm_part **part);
#define VM_CLEAN_PART VM_CLEAN(vm_part_clean)

#endif
