/*
 * ready.h - does the guest serve?  Probes that never block.
 *
 * A probe is a small state machine, stepped now and then by the one loop that
 * waits for all VMs.  The kinds are those of `ready` in the manifest:
 *
 *	serial	the text stands in console.log (of this start)
 *	tcp	bytes come from the guest's port, with `expect` among them; that
 *		a connection is made says nothing, as QEMU accepts it itself
 *	ssh	the same for sshd's banner; then ssh(1) must have accepted the
 *		host key of the record, and no other (logging in is not needed)
 *	agent	the guest agent answers a guest-sync-delimited of ours
 */
#ifndef VM_HOST_READY_H
#define VM_HOST_READY_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "lib/adapt/json.h"
#include "lib/base/buf.h"
#include "lib/base/error.h"

#define VM_READY_DEFAULT_MS ((uint64_t)300000)

struct vm_ready;

struct vm_ready_kind {
	const char *name;
	/* one step: 1 it is ready, 0 not yet, -1 it never will be */
	int (*step)(struct vm_ready *ready, uint64_t now_ms,
	    struct vm_error *err);
};

struct vm_ready {
	const struct vm_ready_kind *kind; /* NULL: running is enough */
	const struct vm_json *record;	  /* borrowed */
	int dir_fd;			  /* borrowed: of the VM */
	uint64_t timeout_ms;
	uint64_t begun_ms;
	const char *cause; /* why not yet, static text */

	/* the probes' own */
	const char *expect; /* borrowed */
	uint16_t port;	    /* on 127.0.0.1 or host */
	int fd;		    /* a connection, a log, ssh's stderr; -1 */
	int pidfd;	    /* ssh(1); -1 */
	pid_t pid;
	bool is_sent, has_banner;
	uint64_t next_ms;    /* nothing to be done before */
	uint64_t give_up_ms; /* on this attempt */
	int64_t id;	     /* of the last guest-sync */
	struct vm_buf in;
};

/*
 * From spec.ready and the record's ssh and run.forwards.  VM_E_CONFIG
 * "ready_unreachable" when there is no way to that port.
 */
int vm_ready_init(struct vm_ready *ready, const struct vm_json *record,
    int dir_fd, struct vm_error *err) VM_MUST_CHECK;

int vm_ready_step(struct vm_ready *ready, struct vm_error *err) VM_MUST_CHECK;

void vm_ready_release(struct vm_ready *ready);

/* The kinds in files of their own. */
extern const struct vm_ready_kind vm_ready_tcp, vm_ready_ssh, vm_ready_agent;

/*
 * For tcp and ssh: connect when it is time, read what there is.  1 when expect
 * (any byte, if NULL) has come; the connection is closed then.
 */
int vm_ready_step_stream(struct vm_ready *ready, const char *expect,
    uint64_t now_ms, struct vm_error *err) VM_MUST_CHECK;

/* Close fd, forget what was read, try again after a moment. */
void vm_ready_retry(struct vm_ready *ready, uint64_t now_ms, const char *cause);

/* Does text stand in the buffer? */
bool vm_ready_has(const struct vm_buf *buf, const char *text);

#endif
