/*
 * percent.h - text inside URLs (RFC 3986 section 2).
 */
#ifndef VM_SOURCE_PERCENT_H
#define VM_SOURCE_PERCENT_H

#include "lib/base/error.h"

/*
 * %XX for all but the unreserved characters, and the slash where `keep_slash`,
 * which is also how AWS's signatures want it: the caller's.
 */
char *vm_percent_encode(const char *text, bool keep_slash, struct vm_error *err)
    VM_MUST_CHECK;

#endif
