/*
 * sigv4.h - URLs that AWS's Signature Version 4 makes good for a while.
 *
 * "Authenticating Requests: Using Query Parameters", Amazon S3 API Reference:
 * one GET whose only signed header is Host and whose payload is not signed.
 */
#ifndef VM_SOURCE_SIGV4_H
#define VM_SOURCE_SIGV4_H

#include <time.h>

#include "lib/base/error.h"

struct vm_sigv4 {
	const char *host;   /* as the Host header has it */
	const char *path;   /* encoded, from its first slash */
	const char *region; /* "us-east-1" */
	const char *key_id, *secret;
	const char *token; /* of a session, or NULL */
	time_t now;
	unsigned expires_s;
};

/* The whole query, without "?": the caller's, and a credential. */
char *vm_sigv4_query(const struct vm_sigv4 *request, struct vm_error *err)
    VM_MUST_CHECK;

#endif
