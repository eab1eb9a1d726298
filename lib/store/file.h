/*
 * file.h - files to be put into guests, by content: files/<sha256>.
 *
 * vmfetch takes them in (the manifest names a path, the record a digest); the
 * content of secrets too, so that all of them have mode 0400.
 */
#ifndef VM_STORE_FILE_H
#define VM_STORE_FILE_H

#include "lib/adapt/crypto_hash.h"
#include "lib/store/store.h"

/*
 * Copy the file (path relative to dirfd) in; hex gets its digest.  One that is
 * there is success, one that is there damaged is replaced.  VM_E_TRY_AGAIN
 * "changed" when it is written to meanwhile.
 */
int vm_file_import(struct vm_store *store, int dirfd, const char *path,
    char hex[VM_HASH_SHA256_HEX], struct vm_error *err) VM_MUST_CHECK;

/*
 * Open for reading from its beginning, its content checked against the digest:
 * VM_E_NO_INPUT "file_not_found", VM_E_DATA "file_damaged".
 */
int vm_file_open(struct vm_store *store, const char *hex, struct vm_error *err)
    VM_MUST_CHECK;

#endif
