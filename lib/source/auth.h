/*
 * auth.h - credentials from a file or a descriptor, never from the command
 * line, where other users could read them.
 */
#ifndef VM_SOURCE_AUTH_H
#define VM_SOURCE_AUTH_H

#include "lib/adapt/curl_http.h"
#include "lib/base/buf.h"

/*
 * Read one line, "user:password" or a bearer token, from the file (NULL: from
 * the descriptor) and put it into *access, which borrows from *secret.
 * VM_E_DENIED "auth_readable" for a file that everybody may read; VM_E_DATA
 * "bad_auth" for one that holds neither.
 */
int vm_auth_read(const char *file, int fd, struct vm_buf *secret,
    struct vm_http_access *access, struct vm_error *err) VM_MUST_CHECK;

/*
 * Can the files with certificates and keys be read?  libcurl would not say
 * which one it means.  VM_E_NO_INPUT "not_found", VM_E_DENIED.
 */
int vm_auth_check_files(const struct vm_http_access *access,
    struct vm_error *err) VM_MUST_CHECK;

/* Overwrite and release it. */
void vm_auth_forget(struct vm_buf *secret);

#endif
