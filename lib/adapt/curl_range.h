/*
 * curl_range.h - the Content-Range header; private to curl_*.
 */
#ifndef VM_ADAPT_CURL_RANGE_H
#define VM_ADAPT_CURL_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* "bytes FIRST-LAST/TOTAL" (RFC 9110 section 14.4), all three known. */
bool vm_range_parse(const char *text, uint64_t *first, uint64_t *last,
    uint64_t *total);

#endif
