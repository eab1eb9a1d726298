/*
 * freeze.h - the guest's file systems held still for an instant.
 *
 * Theory of operation.  A guest that stays frozen is the worst that can happen,
 * so the one who freezes is not the one who works: a child in a session of its
 * own asks the guest agent to freeze, then waits for our word, our end (even by
 * SIGKILL: the pipe between us closes) or hold_ms, whichever comes first, and
 * thaws.  It makes only system calls, so it may be forked from anywhere.
 *
 * Source: qemu-ga-ref (guest-sync, guest-fsfreeze-freeze, -status, -thaw).
 */
#ifndef VM_QEMU_FREEZE_H
#define VM_QEMU_FREEZE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

/* Longer than this no guest should be kept. */
#define VM_FREEZE_HOLD_MS ((uint64_t)10000)

struct vm_freeze {
	int fd;	   /* to the child; -1: none */
	pid_t pid; /* the child */
};

#define VM_FREEZE_NONE                                                         \
	{                                                                      \
		.fd = -1                                                       \
	}

/*
 * Freeze the guest of the VM whose directory is dir_fd.  1: frozen until
 * vm_freeze_end(); 0: not frozen, for no agent answers, it refuses, or it
 * cannot do it: it is thawed again then.  Takes two seconds without an agent.
 */
int vm_freeze_begin(struct vm_freeze *freeze, int dir_fd, uint64_t hold_ms,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Thaw it; true when it was frozen all the time since vm_freeze_begin().  To be
 * called also when that gave 0, and on each way out.
 */
bool vm_freeze_end(struct vm_freeze *freeze);

void vm_freeze_clean(struct vm_freeze *freeze);
#define VM_CLEAN_FREEZE VM_CLEAN(vm_freeze_clean)

#endif
