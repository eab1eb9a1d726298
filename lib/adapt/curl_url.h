/*
 * curl_url.h - URLs of http, https, ftp and ftps taken apart (libcurl); private
 * to curl_*.
 */
#ifndef VM_ADAPT_CURL_URL_H
#define VM_ADAPT_CURL_URL_H

#include <curl/curl.h>
#include <stdbool.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

/*
 * Parse it and take user, password and fragment out; the first two are given
 * to the caller (curl_free, NULL where there is none) unless the pointers are
 * NULL.  VM_E_USAGE "bad_url" for other schemes and what is no URL.
 */
CURLU *vm_url_parse(const char *text, char **user, char **password,
    struct vm_error *err) VM_MUST_CHECK;

/* Is it ftp or ftps? */
bool vm_url_is_ftp(CURLU *url);

/* A part of it, ports by default as well: curl_free; NULL when absent. */
char *vm_url_get(CURLU *url, CURLUPart part) VM_MUST_CHECK;

/* The whole, with its query or without: curl_free; NULL: no memory. */
char *vm_url_format(CURLU *url, bool query) VM_MUST_CHECK;

/* Do both have this part, and the same? */
bool vm_url_has_same(CURLU *a, CURLU *b, CURLUPart part);

void vm_url_clean(CURLU **url);
void vm_url_clean_text(char **text);
#define VM_CLEAN_URL VM_CLEAN(vm_url_clean)
#define VM_CLEAN_URL_TEXT VM_CLEAN(vm_url_clean_text)

#endif
