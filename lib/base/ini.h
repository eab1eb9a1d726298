/*
 * ini.h - "[section]" and "key = value" lines, as several programs write them.
 *
 * A line that begins with a space or a tab, and empty ones before it, go on
 * with the value before, joined by newlines; lines that begin with # or ; and
 * empty ones are passed over; line ends may be CRLF.  Nothing is quoted, and
 * nothing is expanded.  The text is taken apart in place, so what an entry
 * points to lives as long as the text.
 */
#ifndef VM_BASE_INI_H
#define VM_BASE_INI_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

struct vm_ini {
	struct vm_buf *text; /* changed */
	const char *name;    /* for messages */
	size_t at;
	unsigned line;
	const char *section; /* "" before the first */
};

struct vm_ini_entry {
	const char *section, *key, *value; /* key NULL: the section begins */
	unsigned line;
};

/* Begin with text, which is borrowed and changed; NUL in it is refused. */
int vm_ini_init(struct vm_ini *ini, struct vm_buf *text, const char *name,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * 1: the next entry, 0: the end, -1: VM_E_DATA "bad_ini", "name:line: what",
 * for a line that is none of these.
 */
int vm_ini_next(struct vm_ini *ini, struct vm_ini_entry *entry,
    struct vm_error *err) VM_MUST_CHECK;

#endif
