/*
 * size.h - numbers with units: sizes ("10G") and durations ("2m30s").
 */
#ifndef VM_BASE_SIZE_H
#define VM_BASE_SIZE_H

#include <stdint.h>

#include "lib/base/error.h"

/*
 * Parse a size in bytes: digits, then at most one of K M G T P or k m g t p,
 * powers of 1024 (KiB and so on mean the same, kB and KB are refused as
 * ambiguous).  A bare number is bytes.  VM_E_DATA "bad_size" for anything else,
 * overflow included.
 */
int vm_size_parse(const char *text, uint64_t *size_bytes, struct vm_error *err)
    VM_MUST_CHECK;

/* "1.5G" (at most 4 digits) into out; exact bytes when `exact`. */
#define VM_SIZE_TEXT 32
char *vm_size_format(uint64_t size_bytes, bool exact, char out[VM_SIZE_TEXT]);

/*
 * Parse a duration into milliseconds: numbers with ms, s, m, h, d, summed
 * ("1m30s"); a bare number is seconds.  VM_E_DATA "bad_duration".
 */
int vm_size_parse_duration(const char *text, uint64_t *ms, struct vm_error *err)
    VM_MUST_CHECK;

/* A whole unsigned decimal number, min..max; VM_E_DATA "bad_number". */
int vm_size_parse_number(const char *text, uint64_t min, uint64_t max,
    uint64_t *number, struct vm_error *err) VM_MUST_CHECK;

#endif
