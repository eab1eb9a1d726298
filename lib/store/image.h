/*
 * image.h - masters in images/<id>/: <id>.raw (sparse, 0444), chunks,
 * image.json.
 *
 * image.json: {"id","sha256","sha512","format","source","alias","fetched",
 * "virtual_size","file_size","mtime_ns","inode","chunks_inode","chunk_size",
 * "layout"?}.  The size, mode, mtime and inode of the master are recorded when
 * it is published and compared at every use.  After a move of the store (the
 * inode of chunks differs as well) size, mode and mtime are trusted.
 */
#ifndef VM_STORE_IMAGE_H
#define VM_STORE_IMAGE_H

#include "lib/adapt/json.h"
#include "lib/store/publish.h"
#include "lib/store/store.h"

#define VM_IMAGE_ID 65 /* 64 hex digits and the NUL; "-N" may follow */
#define VM_IMAGE_CHUNK ((uint64_t)4 << 20)

/*
 * The image's metadata after the cheap check.  VM_E_NO_INPUT
 * "image_not_found"; VM_E_DATA "image_changed" when the master is not as
 * published, "image_damaged" when image.json cannot be used (vmfetch treats
 * both as not there: publishing it again replaces it; hint: vmdoctor --images),
 * "image_quarantined"; VM_E_CONFIG "version".
 */
struct vm_json *vm_image_load(struct vm_store *store, const char *id,
    struct vm_error *err) VM_MUST_CHECK;

/* Put `layout` (what inspection found) into image.json, replaced by rename. */
int vm_image_set_layout(struct vm_store *store, const char *id,
    const struct vm_json *layout, struct vm_error *err) VM_MUST_CHECK;

/* Note how it was verified (image/trust.h): "trust" in image.json. */
int vm_image_set_trust(struct vm_store *store, const char *id,
    const struct vm_json *trust, struct vm_error *err) VM_MUST_CHECK;

/* Note that the file as published has this sha512 as well. */
int vm_image_set_sha512(struct vm_store *store, const char *id, const char *hex,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Complete and publish an image built in publish: <id>.raw and chunks are
 * there and sealed; facts gets file_size, mtime_ns, inode and becomes
 * image.json.  Another process being first is success (the same bytes); an
 * image there that does not load is put under quarantine and replaced.
 */
int vm_image_publish(struct vm_store *store, struct vm_publish *publish,
    const char *id, struct vm_json *facts, struct vm_error *err) VM_MUST_CHECK;

/*
 * A master whose bytes the caller has compared and found right, but whose mode,
 * mtime or inode is not as noted: give it back mode and mtime, so that whatever
 * is linked to it is as noted again, and note its inode.  VM_E_DATA
 * "image_changed" when its size differs, "image_damaged" as for
 * vm_image_load().
 */
int vm_image_seal(struct vm_store *store, const char *id, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Its bytes are not what they were: its mtime becomes the present, if it was
 * set back, so that all that is linked to it can see that.
 */
void vm_image_unseal(struct vm_store *store, const char *id);

/*
 * Move it to quarantine/<id>.<n>: nothing uses it any more; the clones that
 * have links to it keep them.
 */
int vm_image_quarantine(struct vm_store *store, const char *id,
    struct vm_error *err) VM_MUST_CHECK;

#endif
