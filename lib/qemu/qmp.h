/*
 * qmp.h - a client of QEMU's monitor and of the guest agent.
 *
 * Both speak JSON, one value a line (QEMU docs/interop/qmp-spec.txt,
 * qemu-ga-ref).  The other side is not trusted to behave: a line is at most
 * 1 MiB, every call has a time in which it must be over, and what cannot be
 * read as an answer is an error.  All failures of the other side are
 * VM_E_UNAVAILABLE: "monitor_closed", "monitor_timeout", "monitor_nonsense"
 * or, when it has refused a command, "monitor_error" with its words.
 *
 * A monitor serves one client at a time and the others wait in the backlog, so
 * a connection is kept only for as long as a question takes.
 */
#ifndef VM_QEMU_QMP_H
#define VM_QEMU_QMP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/adapt/json.h"
#include "lib/base/buf.h"
#include "lib/base/error.h"

#define VM_QMP_LINE_MAX ((size_t)1 << 20)

/* All-zero but fds of -1 is a closed one. */
struct vm_qmp {
	int fd;		 /* ours */
	int pidfd;	 /* QEMU's, borrowed; -1: not known */
	unsigned serial; /* of the last command */
	bool deaf;	 /* set before opening: no signal ends its waiting */
	struct vm_buf in;
};

/*
 * Take fd (also on failure), read the greeting and leave negotiation mode.
 * When pidfd says meanwhile that QEMU has ended: "monitor_closed".
 */
int vm_qmp_open(struct vm_qmp *qmp, int fd, int pidfd, uint64_t timeout_ms,
    struct vm_error *err) VM_MUST_CHECK;

/* Connect to dir_fd/qmp.sock and open it. */
int vm_qmp_connect(struct vm_qmp *qmp, int dir_fd, uint64_t timeout_ms,
    struct vm_error *err) VM_MUST_CHECK;

void vm_qmp_close(struct vm_qmp *qmp);
#define VM_CLEAN_QMP VM_CLEAN(vm_qmp_close)
#define VM_QMP_CLOSED                                                          \
	{                                                                      \
		.fd = -1, .pidfd = -1                                          \
	}

/*
 * Execute a command; arguments (taken, may be NULL).  *result gets what it
 * returned (the caller's), or is not wanted (NULL).  Events are passed over.
 */
int vm_qmp_call(struct vm_qmp *qmp, const char *command,
    struct vm_json *arguments, uint64_t timeout_ms, struct vm_json **result,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Hand QEMU a duplicate of fd (SCM_RIGHTS, add-fd): it can then be opened
 * there as /dev/fdset/<*set>.  A set that nothing has open goes when the
 * connection is closed.
 */
int vm_qmp_pass_fd(struct vm_qmp *qmp, int fd, uint64_t timeout_ms,
    int64_t *set, struct vm_error *err) VM_MUST_CHECK;

/* Is it this VM's QEMU?  Otherwise VM_E_EXISTS "foreign_monitor". */
int vm_qmp_check_uuid(struct vm_qmp *qmp, const char *uuid, uint64_t timeout_ms,
    struct vm_error *err) VM_MUST_CHECK;

/* The process that runs it, as QEMU says: from the thread of its first CPU. */
int vm_qmp_get_pid(struct vm_qmp *qmp, uint64_t timeout_ms, int *pid,
    struct vm_error *err) VM_MUST_CHECK;

#endif
