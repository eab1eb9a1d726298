/*
 * curl_http.h - one GET over http, https, ftp or ftps (libcurl).
 *
 * Redirects are followed here, not by libcurl, so that the rules are in one
 * place: five at most, never to another scheme than http and https, never from
 * https to http, and credentials stay with the host they were given for.  A
 * transfer that breaks off is continued with Range and If-Range where the
 * server gave a strong ETag (RFC 9110 sections 8.8.1, 13.1.5 and 14.2) or where
 * a digest will tell; 408, 429 and 5xx are asked again after a while, as
 * Retry-After says.  A bad server never gets more than VM_HTTP_TRIES attempts
 * in a row that bring nothing.
 */
#ifndef VM_ADAPT_CURL_HTTP_H
#define VM_ADAPT_CURL_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

#define VM_HTTP_TRIES 5
#define VM_HTTP_UNKNOWN UINT64_MAX /* length */
#define VM_HTTP_CHALLENGE 1024

/*
 * How to get at servers.  Certificate, token, user and password are for the
 * host of the request's URL: no redirect takes them to another one.
 */
struct vm_http_access {
	const char *ca_file;		  /* NULL: the system's */
	const char *cert_file, *key_file; /* PEM, ours; NULL: none */
	const char *token;		  /* bearer's (RFC 6750), or ... */
	const char *user, *password;	  /* ... these; NULL: none */
	bool no_private;		  /* public addresses only */
};

/* Connections that are kept from one request to the next, of one thread. */
struct vm_http_session;

struct vm_http_request {
	const char *url;		     /* may hold user:password@ */
	const struct vm_http_access *access; /* NULL: nothing special */
	struct vm_http_session *session;     /* NULL: a new connection */
	uint64_t stall_ms;	     /* give up when nothing comes; 0: 30 s */
	const char *etag, *modified; /* what we have; then 304 is possible */
	uint64_t min_rate;    /* less is a stall; 0: 512 bytes a second */
	unsigned tries;	      /* 0: VM_HTTP_TRIES */
	bool pinned;	      /* a digest will tell: resume anyway */
	uint64_t offset;      /* the first byte wanted */
	uint64_t end;	      /* and the one after the last; 0: all */
	uint64_t length;      /* the file has, as we know; 0: unknown */
	const char *if_range; /* the strong ETag it had, or NULL */
	const char *accept;   /* media types, or NULL */
	bool secret_query;    /* the URL's query lets anybody in */
	char *challenge;      /* VM_HTTP_CHALLENGE bytes for a 401's, or NULL */
	const atomic_bool *stop; /* set by another thread to end it */
};

struct vm_http_reply {
	bool not_modified;	      /* 304: no data */
	uint64_t length;	      /* bytes, or VM_HTTP_UNKNOWN */
	char etag[256], modified[64]; /* "" when absent or too long */
	char url[1024]; /* where redirects led, if it has no query */
};

/* begin is called once, before any data; -1 from either ends the transfer. */
struct vm_http_sink {
	int (*begin)(void *context, const struct vm_http_reply *reply,
	    struct vm_error *err);
	int (*data)(void *context, const void *data, size_t len,
	    struct vm_error *err);
	void *context;
};

/* NULL: no memory. */
struct vm_http_session *vm_http_session_new(void);
void vm_http_session_clean(struct vm_http_session **session);

/*
 * Do it; with offset or end only that part, from a server that knows ranges
 * and has the same file still (else "restart").  VM_E_NO_INPUT "not_found"
 * (404, 410); VM_E_DENIED "forbidden" (401, 403, 407), "tls", "certificate"
 * (ours), "downgrade", "private_address"; VM_E_PROTOCOL "redirect",
 * "bad_range", "http_status"; VM_E_UNAVAILABLE "resolve", "connect", "stalled",
 * "server_error", "connection_lost", and "restart": the file is another one
 * now, or cannot be continued, and what was delivered is worthless.  Messages
 * show the URL without credentials, and never the query of a redirect's.
 */
int vm_http_get(const struct vm_http_request *request,
    const struct vm_http_sink *sink, struct vm_http_reply *reply,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The URL in normal form without user, password and fragment: what may be shown
 * and stored.  The caller's.  VM_E_USAGE "bad_url" for anything but http,
 * https, ftp and ftps.
 */
char *vm_http_clean_url(const char *url, struct vm_error *err) VM_MUST_CHECK;

/*
 * The URL of another file beside this one: its last component replaced, no
 * query; user and password stay.  The caller's.
 */
char *vm_http_beside(const char *url, const char *name, struct vm_error *err)
    VM_MUST_CHECK;

/* The last component of its path, %XX decoded: the caller's. */
char *vm_http_file_name(const char *url, struct vm_error *err) VM_MUST_CHECK;

/* Scheme, host and port are the same (RFC 6454). */
bool vm_http_is_same_origin(const char *a, const char *b);

/*
 * A small file as a whole; more than `max` bytes is VM_E_DATA "too_large".
 * The rest as vm_http_get().
 */
int vm_http_read(const struct vm_http_request *request, size_t max,
    struct vm_buf *buf, struct vm_error *err) VM_MUST_CHECK;

#endif
