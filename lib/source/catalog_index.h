/*
 * catalog_index.h - the index of virt-builder(1): a section per image and
 * architecture with file=, arch=, revision=, format=, checksum[sha512]=,
 * aliases= and others.
 */
#ifndef VM_SOURCE_CATALOG_INDEX_H
#define VM_SOURCE_CATALOG_INDEX_H

#include "lib/source/catalog.h"

/* Offer all its images; text is changed. */
int vm_catalog_index_find(const char *where, struct vm_buf *text,
    struct vm_catalog_search *search, struct vm_error *err) VM_MUST_CHECK;

#endif
