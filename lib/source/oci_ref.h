/*
 * oci_ref.h - oci://REGISTRY[:PORT]/REPOSITORY[:TAG|@sha256:HEX] taken apart.
 *
 * The grammar is that of the OCI Distribution Specification; "docker.io" means
 * the host that really answers for it, as everywhere.
 */
#ifndef VM_SOURCE_OCI_REF_H
#define VM_SOURCE_OCI_REF_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

#define VM_OCI_DIGEST 72 /* "sha256:", 64 digits and the NUL */

struct vm_oci_ref {
	char name[262]; /* of the registry, as typed: for credentials */
	char host[262]; /* that is asked, with its port */
	char repository[256];
	char reference[130]; /* a tag, or a digest */
	bool is_digest;
};

bool vm_oci_is_url(const char *text);

/* VM_E_USAGE "bad_url". */
int vm_oci_check(const char *text, struct vm_error *err) VM_MUST_CHECK;
int vm_oci_ref_parse(const char *text, struct vm_oci_ref *ref,
    struct vm_error *err) VM_MUST_CHECK;

/* Is the registry on this machine?  Only there plain http may be asked for. */
bool vm_oci_is_loopback(const struct vm_oci_ref *ref);

/* Of the text that makes a name: without digest, and without ":latest". */
size_t vm_oci_name_length(const char *text);

#endif
