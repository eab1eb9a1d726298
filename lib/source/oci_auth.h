/*
 * oci_auth.h - what lets us into a registry: credentials and challenges.
 *
 * Credentials are where podman and docker keep them (containers-auth.json(5)):
 * $REGISTRY_AUTH_FILE, or the first of $XDG_RUNTIME_DIR/containers/auth.json,
 * ~/.config/containers/auth.json, ($DOCKER_CONFIG or ~/.docker)/config.json
 * that knows the registry.  No credential helper is run.
 */
#ifndef VM_SOURCE_OCI_AUTH_H
#define VM_SOURCE_OCI_AUTH_H

#include "lib/adapt/curl_http.h"
#include "lib/base/buf.h"
#include "lib/source/oci_ref.h"

/*
 * Put user and password, when there are any, into *access, which borrows from
 * *secret.  VM_E_CONFIG "bad_auth_file".
 */
int vm_oci_auth_find(const struct vm_oci_ref *ref, struct vm_buf *secret,
    struct vm_http_access *access, struct vm_error *err) VM_MUST_CHECK;

/* What a registry wants (RFC 7235, RFC 6750). */
struct vm_oci_challenge {
	bool bearer; /* else user and password */
	char realm[512], service[256];
};

/* VM_E_PROTOCOL "bad_challenge". */
int vm_oci_auth_parse(const char *header, struct vm_oci_challenge *challenge,
    struct vm_error *err) VM_MUST_CHECK;

#endif
