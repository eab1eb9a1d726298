/*
 * lineage.h - what a VM stands on, and whether that is still what it was.
 *
 * Every sealed file in a VM's directory (<id>.raw, <key>.qcow2: hard links to
 * masters and layers) has its facts in vm.json, noted when the VM is built:
 *
 *	"chain":[{"name","file_size","mtime_ns","inode"},...],"lock_inode":N
 *
 * They are compared before the disk is used: a start, a copy, a change in
 * place.  This costs a few stat(2)s, and sees all that writes to a base (its
 * mtime), cuts it off, unseals it, takes it away or puts another in its place.
 * What a liar hides by setting the mtime back only the digests of chunks can
 * tell (vmdoctor --images), and then the mtime is made to tell the clones.
 *
 * Another inode alone means that the file was replaced; if the VM's lock, which
 * outlives every replacement of the directory, has another one too, the store
 * was moved.  A VM of a version that noted nothing has no "chain": nothing is
 * compared.
 */
#ifndef VM_STORE_LINEAGE_H
#define VM_STORE_LINEAGE_H

#include <stdbool.h>

#include "lib/adapt/json.h"
#include "lib/store/store.h"

/* Is this the name of a sealed file: a digest and ".raw" or ".qcow2"? */
bool vm_lineage_is_base(const char *file);

/*
 * Note the facts of all sealed files in dir_fd, a VM's directory that is
 * complete but for its vm.json.
 */
int vm_lineage_note(int dir_fd, struct vm_json *record, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Is all that the VM stands on as noted?  dir_fd is its directory.  VM_E_DATA
 * "base_missing" or "base_changed" with what differs and which other VMs stand
 * on the same file; the hint is the command that mends it.
 */
int vm_lineage_check(struct vm_store *store, const struct vm_json *record,
    int dir_fd, struct vm_error *err) VM_MUST_CHECK;

/* The same of one file, in dir_fd; nothing noted: it is there and sealed. */
int vm_lineage_check_file(struct vm_store *store, const struct vm_json *record,
    int dir_fd, const char *file, struct vm_error *err) VM_MUST_CHECK;

/* Is the file in this directory the very one that was noted, and sealed? */
bool vm_lineage_is_same(const struct vm_json *record, int dir_fd,
    const char *file);

/*
 * If nothing but its mode is not as noted, give it back its mode: true.  (For
 * a layer; the bytes of a master can be compared, image.h.)
 */
bool vm_lineage_seal(const struct vm_json *record, int dir_fd,
    const char *file);

/*
 * Of a VM whose check went well: note anew where the store was moved, or where
 * a version that noted nothing has built it.  The caller saves the record.
 */
int vm_lineage_renew(struct vm_json *record, int dir_fd, struct vm_error *err)
    VM_MUST_CHECK;

/* Is it one that the VM was built on (or was nothing noted)? */
bool vm_lineage_has(const struct vm_json *record, const char *file);

#endif
