/*
 * image.h - masters in images/<id>/: <id>.raw (sparse, 0444), chunks,
 * image.json.
 *
 * image.json: {"id","sha256","sha512","format","source","alias","fetched",
 * "virtual_size","file_size","mtime_ns","inode","chunk_size","layout"?}.  The
 * size, mode, mtime and inode of the master are recorded when it is published
 * and compared at every use.  mtime and inode are checked on the host where
 * the store was made; after a move of the store (another device or every inode
 * differs) vm_image_open() trusts size, mode and mtime.
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
 * published (hint: vmdoctor --images).
 */
struct vm_json *vm_image_load(struct vm_store *store, const char *id,
    struct vm_error *err) VM_MUST_CHECK;

/* Put `layout` (what inspection found) into image.json, replaced by rename. */
int vm_image_set_layout(struct vm_store *store, const char *id,
    const struct vm_json *layout, struct vm_error *err) VM_MUST_CHECK;

/*
 * Complete and publish an image built in publish: <id>.raw and chunks are
 * there and sealed; facts gets file_size, mtime_ns, inode and becomes
 * image.json.  Another process being first is success (the same bytes).
 */
int vm_image_publish(struct vm_store *store, struct vm_publish *publish,
    const char *id, struct vm_json *facts, struct vm_error *err) VM_MUST_CHECK;

#endif
