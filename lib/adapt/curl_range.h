/*
 * curl_range.h - byte ranges as HTTP writes them (RFC 9110 section 14); private
 * to curl_*.
 */
#ifndef VM_ADAPT_CURL_RANGE_H
#define VM_ADAPT_CURL_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "bytes FIRST-LAST/TOTAL", each of them given. */
bool vm_range_parse(const char *text, uint64_t *first, uint64_t *last,
    uint64_t *total);

/* "bytes=FIRST-LAST", from the first one wanted to before `end` (0: all). */
void vm_range_format(uint64_t first, uint64_t end, char *out, size_t size);

#endif
