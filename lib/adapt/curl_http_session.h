/*
 * curl_http_session.h - libcurl's handles; private to curl_*.
 */
#ifndef VM_ADAPT_CURL_HTTP_SESSION_H
#define VM_ADAPT_CURL_HTTP_SESSION_H

#include <curl/curl.h>

#include "lib/adapt/curl_http.h"

/* A new handle, libcurl being started the first time; NULL: no memory. */
CURL *vm_session_start(void);

/* The session's. */
CURL *vm_session_handle(const struct vm_http_session *session);

/* Set what is the same for all requests: time-outs, buffers, who is asked. */
void vm_session_prepare(CURL *curl, const struct vm_http_request *request);

/* Has somebody, or a signal, asked to stop? */
bool vm_session_is_stopped(const struct vm_http_request *request);

/*
 * Wait before the next attempt, after `tries` in a row that brought nothing,
 * and as long as an HTTP server asks for.
 */
void vm_session_back_off(CURL *curl, const struct vm_http_request *request,
    unsigned tries, const struct vm_error *failure);

#endif
