/*
 * log.h - messages to stderr.
 *
 * One message is one line and one write(2): "command: text\n".  Control
 * characters, terminal escapes and bidirectional marks in the text are shown
 * escaped, so that names and guest data cannot drive the terminal.  While a
 * progress line is on the screen it is cleared first (progress.h).
 */
#ifndef VM_BASE_LOG_H
#define VM_BASE_LOG_H

#include "lib/base/error.h"

enum vm_log_level {
	VM_LOG_ERROR = -1, /* -q: nothing else */
	VM_LOG_WARN = 0,   /* the default */
	VM_LOG_INFO = 1,   /* -v: what is being done */
	VM_LOG_DEBUG = 2   /* -vv */
};

/* name is kept, not copied. */
void vm_log_start(const char *name, enum vm_log_level level);
const char *vm_log_name(void);

void vm_log(enum vm_log_level level, const char *format, ...) VM_PRINTF(2, 3);

/* "name: message; run: hint", at level VM_LOG_ERROR. */
void vm_log_failure(const struct vm_error *err);

/*
 * Copy text so that it is safe on a terminal and stays on one line: control
 * characters as \n, \t, \xHH, bidirectional and invisible format marks as
 * \u{HHHH}, invalid UTF-8 as \xHH.  At most size - 1 bytes and a NUL are
 * written, never half an escape.  Returns out.
 */
char *vm_log_escape(const char *text, char *out, size_t size);

#endif
