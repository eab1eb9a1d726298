/*
 * curl_session.h - libcurl's handles; private to curl_*.
 */
#ifndef VM_ADAPT_CURL_SESSION_H
#define VM_ADAPT_CURL_SESSION_H

#include <curl/curl.h>

#include "lib/adapt/curl_http.h"

/* A new handle, libcurl being started the first time; NULL: no memory. */
CURL *vm_session_start(void);

/* The session's. */
CURL *vm_session_handle(const struct vm_http_session *session);

#endif
