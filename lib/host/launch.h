/*
 * launch.h - one QEMU, from the lock to its monitor's greeting.
 *
 * Theory of operation.  The VM's lock is taken and its descriptor given to
 * QEMU, so it is held for as long as QEMU runs, whatever becomes of us.  Ports
 * and sockets are made here and QEMU is handed what it can be handed.  Before
 * the process starts, vm.json says durably that the disk has run
 * (started:true) and what is about to run (run: machine, accel, forwards, ssh),
 * so that a command that is killed leaves a VM which the next one understands.
 * QEMU runs in a session of its own and, where systemd runs, in a transient
 * scope of its own; its last words go to qemu.log.  It is running when its
 * monitor has greeted.
 */
#ifndef VM_HOST_LAUNCH_H
#define VM_HOST_LAUNCH_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "lib/host/net.h"
#include "lib/store/store.h"

struct vm_launch {
	struct vm_store *store; /* borrowed */
	struct vm_json *record; /* borrowed; run, ssh, state are set in it */
	const char *qemu;	/* borrowed: the program's path */
	bool kvm;
	int dir_fd;  /* of the VM */
	int lock_fd; /* held; QEMU gets it too */
	int pidfd;   /* QEMU's, once begun */
	pid_t pid;
	struct vm_nets nets;
	unsigned attempts;
	uint64_t begun_ms; /* vm_clock_ms() */
};

#define VM_LAUNCH_EMPTY                                                        \
	{                                                                      \
		.dir_fd = -1, .lock_fd = -1, .pidfd = -1                       \
	}

/* Everything up to the running process; does not wait for it. */
int vm_launch_begin(struct vm_launch *launch, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Wait for the monitor, then note in the record (and vm.json) that it runs.
 * Ended at once: VM_E_UNAVAILABLE "qemu_failed" with QEMU's last line; a chosen
 * port that was lost to somebody is tried again with another.
 */
int vm_launch_finish(struct vm_launch *launch, struct vm_error *err)
    VM_MUST_CHECK;

/* Let go; what runs keeps running. */
void vm_launch_release(struct vm_launch *launch);

/* For -n: "cd DIR && exec qemu-system-x86_64 ...", nothing is touched. */
int vm_launch_format(struct vm_launch *launch, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

/* QEMU's last line as an error: VM_E_UNAVAILABLE "qemu_failed"; always -1. */
int vm_launch_fail(int dir_fd, const char *what, struct vm_error *err);

#endif
