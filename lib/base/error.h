/*
 * error.h - what went wrong, carried from where it happened to main().
 *
 * A library function that can fail takes a caller-owned struct vm_error as its
 * last argument, fills it and returns -1 (or NULL).  It never prints and never
 * ends the process.  On the way up vm_error_wrap() puts the subject in front of
 * the message.  The kind decides the exit status (sysexits(3)) and whether a
 * script may try again; the code is the stable word that records carry.
 *
 * Nothing here allocates, so that running out of memory can be reported.
 */
#ifndef VM_BASE_ERROR_H
#define VM_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define VM_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define VM_MUST_CHECK __attribute__((warn_unused_result))

/* The values are the exit statuses of sysexits.h; 1 is "several of them". */
enum vm_kind {
	VM_OK = 0,
	VM_E_MIXED = 1,	       /* failures of different kinds */
	VM_E_USAGE = 64,       /* the command line */
	VM_E_DATA = 65,	       /* bad input data: manifest, image, digest */
	VM_E_NO_INPUT = 66,    /* an input is missing */
	VM_E_UNAVAILABLE = 69, /* a host, server or hypervisor; retry */
	VM_E_BUG = 70,	       /* our own fault */
	VM_E_SYSTEM = 71,      /* memory, descriptors, processes, links */
	VM_E_EXISTS = 73,      /* there already, and different */
	VM_E_IO = 74,	       /* disk full, read or write error */
	VM_E_TRY_AGAIN = 75,   /* lock held or time-out; retry */
	VM_E_PROTOCOL = 76,    /* the other side speaks nonsense */
	VM_E_DENIED = 77,      /* not permitted, not trusted */
	VM_E_CONFIG = 78,      /* configuration, version */
	VM_E_INTERRUPTED = 130 /* SIGINT, SIGTERM or SIGHUP */
};

struct vm_error {
	enum vm_kind kind;
	char code[40];	    /* stable word: "digest_mismatch" */
	char message[1024]; /* "subject: what: cause", one line */
	char hint[512];	    /* the next command to type, or empty */
};

/*
 * Record a failure.  Whatever was in *err before is overwritten.  A message
 * too long is cut at a character boundary and ends in "...".  err may be NULL
 * (the caller does not care).  Always returns -1.
 */
int vm_error_set(struct vm_error *err, enum vm_kind kind, const char *code,
    const char *format, ...) VM_PRINTF(4, 5);

/*
 * Record a failed system call: kind and code follow from errnum (ENOSPC is
 * VM_E_IO "no_space", EMFILE VM_E_SYSTEM "no_descriptors", EACCES VM_E_DENIED
 * "permission", ENOENT VM_E_NO_INPUT "not_found", EXDEV VM_E_EXISTS
 * "cross_device" ...) and its text is appended: "format: No space left".
 */
int vm_error_errno(struct vm_error *err, int errnum, const char *format, ...)
    VM_PRINTF(3, 4);

/* Out of memory: VM_E_SYSTEM "no_memory". */
int vm_error_nomem(struct vm_error *err);

/* Put "format: " in front of the message; kind, code and hint stay. */
int vm_error_wrap(struct vm_error *err, const char *format, ...)
    VM_PRINTF(2, 3);

/* Say what to type next, without "run:"; returns -1 to end a statement. */
int vm_error_hint(struct vm_error *err, const char *format, ...)
    VM_PRINTF(2, 3);

/* Has a failure been recorded? */
bool vm_error_is_set(const struct vm_error *err);

/* Forget it. */
void vm_error_clear(struct vm_error *err);

/* Is it worth trying again (69 and 75)? */
bool vm_error_is_retryable(const struct vm_error *err);

#endif
