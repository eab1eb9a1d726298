/*
 * file.h - files to be put into guests, by content: files/<sha256>.
 *
 * vmfetch takes them in (the manifest names a path, the record a digest); the
 * content of a secret is kept the same way with mode 0600.
 */
#ifndef VM_STORE_FILE_H
#define VM_STORE_FILE_H

#include "lib/adapt/crypto_hash.h"
#include "lib/store/store.h"

/* Copy the file (path relative to dirfd) in; hex gets its digest. */
int vm_file_import(struct vm_store *store, int dirfd, const char *path,
    char hex[VM_HASH_SHA256_HEX], struct vm_error *err) VM_MUST_CHECK;

/* Open for reading; VM_E_NO_INPUT "file_not_found". */
int vm_file_open(struct vm_store *store, const char *hex, struct vm_error *err)
    VM_MUST_CHECK;

#endif
