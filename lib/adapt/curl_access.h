/*
 * curl_access.h - credentials, certificates and which addresses are allowed;
 * private to curl_*.
 */
#ifndef VM_ADAPT_CURL_ACCESS_H
#define VM_ADAPT_CURL_ACCESS_H

#include <sys/socket.h>

#include <curl/curl.h>
#include <stdbool.h>

#include "lib/adapt/curl_http.h"

/* What was refused while connecting; lives as long as the handle. */
struct vm_access_guard {
	char refused[64]; /* the last private address, or "" */
};

/*
 * Set the handle up; without `ours` (after a redirect to another host) nothing
 * that says who we are.  With no_private the address that is really connected
 * is looked at, whatever the name was, and no proxy is used.
 */
void vm_access_apply(CURL *curl, const struct vm_http_access *access, bool ours,
    struct vm_access_guard *guard);

/*
 * Is it no address of the public Internet (RFC 6890): loopback, link-local,
 * private, shared, multicast, reserved, or one of these inside an IPv6
 * address?  Neither IPv4 nor IPv6 is private too.
 */
bool vm_access_is_private(const struct sockaddr *address);

#endif
