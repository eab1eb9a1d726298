/*
 * meta.h - the JSON beside an object, and the facts of its sealed files;
 * for lib/store, and for lib/reclaim,
 * which also judges what does not load.
 *
 * A sealed file (a master, a layer) never changes once it is published: its
 * size, mtime and inode are written down then and compared at every use, and it
 * must have no write bit.  A moved store (rsync -aHS) has new inodes
 * everywhere, so one other inode alone means that the file was replaced, and
 * only if every one of the object differs, that the object was moved.
 */
#ifndef VM_STORE_META_H
#define VM_STORE_META_H

#include "lib/adapt/json.h"
#include "lib/store/publish.h"
#include "lib/store/store.h"

/*
 * Read dirfd/path, an object with "vmpipe" 1 or none.  VM_E_NO_INPUT
 * "not_found"; VM_E_DATA with this code when it is empty, cut off or not JSON;
 * VM_E_CONFIG "version" when a newer vmpipe wrote it.
 */
struct vm_json *vm_meta_read(int dirfd, const char *path, const char *code,
    struct vm_error *err) VM_MUST_CHECK;

/* One line of JSON with "vmpipe":1 in front of a new object's members. */
int vm_meta_format(struct vm_json *meta, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

/* Replace dirfd/name by it. */
int vm_meta_write(struct vm_store *store, int dirfd, const char *name,
    mode_t mode, struct vm_json *meta, struct vm_error *err) VM_MUST_CHECK;

/* Set facts' "file_size", "mtime_ns" and "inode" to those of dirfd/name. */
int vm_meta_note_file(int dirfd, const char *name, struct vm_json *facts,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Is dirfd/name as noted?  VM_E_DATA with this code and what differs; *moved
 * says whether its inode does.
 */
int vm_meta_check_file(int dirfd, const char *name, const struct vm_json *facts,
    const char *code, bool *moved, struct vm_error *err) VM_MUST_CHECK;

/* Are size and mtime as noted? */
struct stat;
bool vm_meta_is_unwritten(const struct stat *st, const struct vm_json *facts);

/*
 * Commit an object whose name says what it holds.  Another one there is
 * success when `load` accepts it; one that is damaged (VM_E_DATA) goes to
 * quarantine/ first.  *publish is empty afterwards.
 */
typedef struct vm_json *vm_meta_load(struct vm_store *store, const char *name,
    struct vm_error *err);
int vm_meta_publish(struct vm_store *store, struct vm_publish *publish,
    enum vm_store_dir dir, const char *name, vm_meta_load *load,
    struct vm_error *err) VM_MUST_CHECK;

/* 64 lower-case hex digits, for an image's id with "-N" allowed behind. */
bool vm_meta_is_digest(const char *text, bool part_allowed);

#endif
