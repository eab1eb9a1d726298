/*
 * oci.h - a disk in a container registry (OCI Distribution Specification).
 *
 * The containerdisk layout: an image whose largest layer, a tar, holds the
 * disk under disk/; or an artifact (ORAS) whose largest layer is the disk
 * itself.  Of an index of several the one for linux on this machine's
 * architecture is taken.  Everything below a digest is checked against it, so
 * that "@sha256:..." fixes the disk.  Only https, but for a registry on this
 * machine when that is said to be fine.
 *
 * A registry that wants a token says where to get one; user and password go
 * there by https, as docker and podman do it, and to the registry itself.
 */
#ifndef VM_SOURCE_OCI_H
#define VM_SOURCE_OCI_H

#include "lib/adapt/curl_http.h"
#include "lib/base/buf.h"
#include "lib/source/oci_ref.h"

#define VM_OCI_MANIFEST_MAX ((size_t)4 << 20)

struct vm_oci {
	struct vm_oci_ref ref;
	char *base; /* URL of the repository */
	bool plain;
	struct vm_http_access access; /* borrows from these */
	struct vm_buf secret, token;
};

/*
 * Get access to the repository that the URL names, with the credentials in
 * *access (token or user) if there are any, else those of oci_auth.h.  What
 * vm_http_get() and oci_auth.h say; VM_E_PROTOCOL "bad_token"; VM_E_DENIED
 * "downgrade".
 */
int vm_oci_open(const char *url, bool plain,
    const struct vm_http_access *access, struct vm_oci *oci,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The digest of the layer with the disk.  VM_E_DATA "digest_mismatch",
 * "bad_manifest"; VM_E_NO_INPUT "no_architecture".
 */
int vm_oci_find(const struct vm_oci *oci, char digest[VM_OCI_DIGEST],
    struct vm_error *err) VM_MUST_CHECK;

/* Where a layer is: the caller's. */
char *vm_oci_locate(const struct vm_oci *oci, const char *digest,
    struct vm_error *err) VM_MUST_CHECK;

void vm_oci_close(struct vm_oci *oci);
#define VM_CLEAN_OCI VM_CLEAN(vm_oci_close)

#endif
