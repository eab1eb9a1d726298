/*
 * present.h - images that are there, whatever they were asked for as.
 */
#ifndef VM_IMAGE_PRESENT_H
#define VM_IMAGE_PRESENT_H

#include "lib/adapt/crypto_hash.h"
#include "lib/adapt/json.h"
#include "lib/store/image.h"

/*
 * The image's facts; NULL and no error when it is missing or damaged, or one of
 * its siblings is.
 */
struct vm_json *vm_present_load(struct vm_store *store, const char *id,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The image (the first one of several) whose file as published has this digest:
 * 1 and its id in id[VM_IMAGE_ID + 8], 0 (none), -1.
 */
int vm_present_find(struct vm_store *store, enum vm_hash_type type,
    const char *digest, char *id, struct vm_error *err) VM_MUST_CHECK;

#endif
