/*
 * origin.h - asking for a source's bytes, whatever kind of place it is.
 *
 * http and https are asked as they stand.  ssh runs its program.  s3 and oci
 * become https requests only when they are made: their signatures and tokens
 * are good for a while, and are neither shown nor stored.
 */
#ifndef VM_SOURCE_ORIGIN_H
#define VM_SOURCE_ORIGIN_H

#include "lib/adapt/curl_http.h"
#include "lib/source/reach.h"
#include "lib/source/source.h"

/*
 * Look whether the source can be asked at all, and set source->plain.  Nothing
 * is asked yet.  VM_E_USAGE for options that say nothing to such a source;
 * VM_E_DENIED "insecure" (a signature that everybody could read); what aws.h
 * and s3.h say.
 */
int vm_origin_prepare(struct vm_source *source, const struct vm_reach *reach,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * 1 when the place itself says which digest is right, and the source is pinned
 * to it now (oci); 0: it does not; -1.
 */
int vm_origin_pin(struct vm_source *source, const struct vm_http_access *access,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * As vm_http_get() with the source for a URL; errors also as in ssh.h, aws.h,
 * s3.h and oci.h.  For ssh the thread must live as long as the transfer.
 */
int vm_origin_get(const struct vm_source *source,
    const struct vm_http_request *request, const struct vm_http_sink *sink,
    struct vm_http_reply *reply, struct vm_error *err) VM_MUST_CHECK;

#endif
