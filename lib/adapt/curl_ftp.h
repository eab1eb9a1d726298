/*
 * curl_ftp.h - one file over ftp or ftps (libcurl); private to curl_*.
 *
 * Passive, binary, with one RETR of the whole path; the address in a PASV reply
 * is not believed, and no proxy is used.  ftps is TLS from the first byte on,
 * for the data too.  Nothing in FTP says that a file is still the same, so a
 * transfer that breaks off is gone on with (REST) only where a digest will
 * tell.
 */
#ifndef VM_ADAPT_CURL_FTP_H
#define VM_ADAPT_CURL_FTP_H

#include <curl/curl.h>

#include "lib/adapt/curl_http.h"

/* Who and where: the URL has neither user nor password in it. */
struct vm_ftp_place {
	const char *url;
	const char *user, *password; /* of the URL, or NULL: anonymous */
};

/* As vm_http_get(), with its handle; never "not modified", no ETag. */
int vm_ftp_get(CURL *curl, const struct vm_ftp_place *place,
    const struct vm_http_request *request, const struct vm_http_sink *sink,
    struct vm_http_reply *reply, struct vm_error *err) VM_MUST_CHECK;

#endif
