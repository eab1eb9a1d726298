/*
 * chain.h - what a clone points at: an image, or a layer on it.
 *
 * A layer is layers/<key>/: <key>.qcow2 (0444), hard links to the rest of its
 * chain, layer.json {"key","base":ID or KEY,"image":ID,"operations","layout",
 * "virtual_size","files":[{"name","file_size","mtime_ns","inode"},...],...}.  A
 * clone hard-links every file of the chain into its own directory, so that
 * backing names are relative and nothing can vanish.
 */
#ifndef VM_STORE_CHAIN_H
#define VM_STORE_CHAIN_H

#include "lib/adapt/json.h"
#include "lib/disk/backing.h"
#include "lib/store/publish.h"
#include "lib/store/store.h"

struct vm_chain_file {
	char name[80]; /* "<key>.qcow2", "<id>.raw" */
	bool is_raw;   /* else qcow2 */
};

struct vm_chain {
	int dir_fd;				  /* where the files are */
	char image_id[80];			  /* the master at the bottom */
	char layer_key[80];			  /* the top layer, or "" */
	uint64_t virtual_size;			  /* of the top file */
	struct vm_chain_file files[VM_CHAIN_MAX]; /* top first */
	size_t count;
};

/* Of an image, or of a layer; checked as by vm_image_load(). */
int vm_chain_open_image(struct vm_store *store, const char *id,
    struct vm_chain *chain, struct vm_error *err) VM_MUST_CHECK;
int vm_chain_open_layer(struct vm_store *store, const char *key,
    struct vm_chain *chain, struct vm_error *err) VM_MUST_CHECK;
void vm_chain_close(struct vm_chain *chain);
#define VM_CLEAN_CHAIN VM_CLEAN(vm_chain_close)

/* Hard-link all of it into an object being built: it is used, use.h. */
int vm_chain_link(const struct vm_chain *chain, struct vm_publish *publish,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * layer.json, its files checked as a master is; VM_E_NO_INPUT
 * "layer_not_found", VM_E_DATA "layer_changed" or "layer_damaged".
 */
struct vm_json *vm_chain_load_layer(struct vm_store *store, const char *key,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Complete and publish a layer on base: publish holds <key>.qcow2, sealed
 * (0444), and the links of vm_chain_link(base).  facts gets "key", "base",
 * "image", "files" and, if it has none, base's "virtual_size", and becomes
 * layer.json.  A layer that is there already is success; a damaged one is put
 * under quarantine and replaced.
 */
int vm_chain_publish_layer(struct vm_store *store, struct vm_publish *publish,
    const struct vm_chain *base, const char *key, struct vm_json *facts,
    struct vm_error *err) VM_MUST_CHECK;

#endif
