/*
 * generation.h - images that the store knows by alias, name@N or id.
 */
#ifndef VM_IMAGE_GENERATION_H
#define VM_IMAGE_GENERATION_H

#include "lib/image/fetch.h"

/*
 * Use what the alias stands for; its origin is asked only for a refresh, for
 * pull: always, or when the image is missing or damaged (and pull is not
 * never).  NAME@N and ids stand for one image for ever: when it is gone the
 * same bytes are fetched again, and no others.  With options->alias that alias
 * is moved to it: so NAME@N as NAME is the rollback.  VM_E_NO_INPUT
 * "alias_not_found", "image_not_found";
 * VM_E_DATA "digest_mismatch" when its origin has other bytes than NAME@N had,
 * or when the source is pinned to another digest.
 */
int vm_generation_use(struct vm_store *store, const struct vm_source *source,
    const struct vm_fetch_options *options, struct vm_fetched *fetched,
    struct vm_error *err) VM_MUST_CHECK;

#endif
