/*
 * s3.h - s3://BUCKET/KEY: an object of Amazon S3 or of a server like it.
 *
 * The object is asked for by plain https, with a URL signed here (sigv4.h) when
 * the request begins, or unsigned when there are no credentials.  With AWS the
 * bucket is part of the host's name where it can be; with another endpoint, or
 * with a dot in the bucket's name (which no certificate covers), of the path.
 * A signed URL lets anybody in: it is never shown, stored or logged.
 */
#ifndef VM_SOURCE_S3_H
#define VM_SOURCE_S3_H

#include <stdbool.h>
#include <time.h>

#include "lib/base/error.h"
#include "lib/source/aws.h"

/* A long download may have to ask again for its rest. */
#define VM_S3_EXPIRES_S 43200

bool vm_s3_is_url(const char *text);

/* VM_E_USAGE "bad_url" unless it is one that can be asked for. */
int vm_s3_check(const char *text, struct vm_error *err) VM_MUST_CHECK;

/*
 * The URL to ask now: the caller's, and a credential.  VM_E_CONFIG
 * "bad_endpoint", "bad_region".
 */
char *vm_s3_locate(const char *text, const struct vm_aws *aws, time_t now,
    struct vm_error *err) VM_MUST_CHECK;

#endif
