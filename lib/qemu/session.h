/*
 * session.h - one process's work on the disks of a running VM (live.h).
 */
#ifndef VM_QEMU_SESSION_H
#define VM_QEMU_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/adapt/json.h"
#include "lib/base/error.h"
#include "lib/qemu/qmp.h"

/* Of the names of all our jobs and nodes. */
#define VM_SESSION_PREFIX "vmpipe-live-"

/* How long QEMU may take for what makes it wait for its own disks. */
#define VM_SESSION_WORK_MS ((uint64_t)300000)

struct vm_session {
	const struct vm_json *record; /* borrowed */
	const char *name;	      /* the VM's */
	int dir_fd;		      /* borrowed */
	int lock_fd;
	bool has_agent;
};

#define VM_SESSION_CLOSED                                                      \
	{                                                                      \
		.dir_fd = -1, .lock_fd = -1                                    \
	}

/*
 * Be the only one who works on it and take away what a killed one has left;
 * VM_E_TRY_AGAIN "in_use", or as vm_process_connect().
 */
int vm_session_open(struct vm_session *session, const struct vm_json *record,
    int dir_fd, struct vm_error *err) VM_MUST_CHECK;
void vm_session_close(struct vm_session *session);
#define VM_CLEAN_SESSION VM_CLEAN(vm_session_close)

/* A connection to its monitor, to be closed soon. */
int vm_session_connect(const struct vm_session *session, struct vm_qmp *qmp,
    struct vm_error *err) VM_MUST_CHECK;

/* One question without arguments on a connection of its own. */
struct vm_json *vm_session_ask(const struct vm_session *session,
    const char *command, struct vm_error *err) VM_MUST_CHECK;

/* Is a job or node of this name one of ours? */
bool vm_session_is_ours(const char *name);

/* End and remove all jobs and nodes of ours, also after a stop signal. */
int vm_session_sweep(const struct vm_session *session, struct vm_error *err);

#endif
