/*
 * curl_failure.h - libcurl's results and HTTP's statuses as errors of ours;
 * private to curl_*.
 */
#ifndef VM_ADAPT_CURL_FAILURE_H
#define VM_ADAPT_CURL_FAILURE_H

#include <curl/curl.h>

#include "lib/base/error.h"

/* Both as curl_http.h says, "URL: what"; always -1. */
int vm_failure_of_code(CURLcode code, const char *url, struct vm_error *err);
int vm_failure_of_status(long status, const char *url, struct vm_error *err);

#endif
