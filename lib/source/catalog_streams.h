/*
 * catalog_streams.h - simplestreams, as cloud images of Ubuntu and of LXD's
 * and Incus's servers are published: streams/v1/index.json names documents of
 * products, each of which has versions with files; paths are meant from where
 * streams/ is.
 */
#ifndef VM_SOURCE_CATALOG_STREAMS_H
#define VM_SOURCE_CATALOG_STREAMS_H

#include "lib/source/catalog.h"

/* Offer the newest disk of each product: text is an index, or products. */
int vm_catalog_streams_find(struct vm_catalog_source *catalog,
    const char *where, const struct vm_buf *text,
    struct vm_catalog_search *search, struct vm_error *err) VM_MUST_CHECK;

#endif
