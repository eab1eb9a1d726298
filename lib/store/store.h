/*
 * store.h - the store: plain files under one root (DESIGN section 4).
 *
 * A store is opened once per command and then used through directory
 * descriptors, so that a root moved meanwhile is still the same store.  Its
 * layout and invariants stand in vmpipe(7); publish.h makes objects, lock.h
 * locks them; image.h, chain.h, vm.h, alias.h and file.h know each kind.
 */
#ifndef VM_STORE_STORE_H
#define VM_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

enum vm_store_dir {
	VM_STORE_IMAGES,
	VM_STORE_LAYERS,
	VM_STORE_VMS,
	VM_STORE_VOLUMES,
	VM_STORE_FILES,
	VM_STORE_INCOMING,
	VM_STORE_TMP,
	VM_STORE_LOCKS,
	VM_STORE_TRASH,
	VM_STORE_QUARANTINE,
	VM_STORE_ALIASES,
	VM_STORE_OLD, /* what upgrades have replaced, <vm>.<n> */
	VM_STORE_DIRS
};

struct vm_durable;

struct vm_store {
	char *root; /* absolute, resolved */
	int root_fd;
	int fds[VM_STORE_DIRS];	    /* open directories */
	struct vm_durable *durable; /* faults injected, nearly always NULL */
};

/*
 * Open (and with `create` make, mode 0750) the store.  root NULL:
 * $VMPIPE_ROOT, else /var/lib/vmpipe for root, else $XDG_DATA_HOME/vmpipe or
 * ~/.local/share/vmpipe.  Refused with VM_E_DENIED "bad_store": the root or a
 * directory in it is a symbolic link, not ours (nor root's) or writable by
 * others; the root is not on a file system known to be local (tmpfs is), or is
 * full of something else (the message says which).  Without `create` a store
 * that is not there, or a directory that holds nothing of a store, is
 * VM_E_NO_INPUT "no_store".  A lost subdirectory of a store is made anew.
 */
struct vm_store *vm_store_open(const char *root, bool create,
    struct vm_error *err) VM_MUST_CHECK;
void vm_store_close(struct vm_store *store); /* NULL is fine */
void vm_store_clean(struct vm_store **store);
#define VM_CLEAN_STORE VM_CLEAN(vm_store_clean)

/* "images", "vms", ... */
const char *vm_store_dir_name(enum vm_store_dir dir);

/* The absolute path of dir/name/file (name, file may be NULL): caller's. */
char *vm_store_path(const struct vm_store *store, enum vm_store_dir dir,
    const char *name, const char *file, struct vm_error *err) VM_MUST_CHECK;

/* Open the object's directory for reading; VM_E_NO_INPUT "not_found". */
int vm_store_open_object(const struct vm_store *store, enum vm_store_dir dir,
    const char *name, struct vm_error *err) VM_MUST_CHECK;

/*
 * Names of the complete objects in dir, sorted, NULL-terminated; one
 * allocation each, freed by vm_store_free_names().
 */
char **vm_store_list(const struct vm_store *store, enum vm_store_dir dir,
    struct vm_error *err) VM_MUST_CHECK;
void vm_store_free_names(char **names);
void vm_store_clean_names(char ***names);
#define VM_CLEAN_NAMES VM_CLEAN(vm_store_clean_names)

/* Bytes free for us where the store is. */
int vm_store_free_space(const struct vm_store *store, uint64_t *bytes,
    struct vm_error *err) VM_MUST_CHECK;

#endif
