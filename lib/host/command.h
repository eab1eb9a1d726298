/*
 * command.h - the QEMU command of one VM, from its record.
 *
 * A pure function of its inputs, so that the tests compare it word by word and
 * `vmdeploy -n` prints what would be run.  QEMU runs in the VM's directory:
 * names in the command are relative to it.
 */
#ifndef VM_HOST_COMMAND_H
#define VM_HOST_COMMAND_H

#include <stdbool.h>

#include "lib/adapt/json.h"
#include "lib/base/error.h"
#include "lib/host/argv.h"
#include "lib/host/net.h"

/* The sockets of a VM's directory, in the order of vm_command.fds. */
enum vm_command_socket {
	VM_COMMAND_MONITOR, /* qmp.sock */
	VM_COMMAND_CONSOLE, /* console.sock */
	VM_COMMAND_AGENT,   /* agent.sock */
	VM_COMMAND_SOCKETS
};

extern const char *const vm_command_sockets[VM_COMMAND_SOCKETS];

struct vm_command {
	const struct vm_json *record;
	const char *qemu;
	bool kvm;
	int dir_fd; /* of the VM */
	const struct vm_nets *nets;
	int fds[VM_COMMAND_SOCKETS]; /* listening; -1: QEMU makes it by name */
};

/*
 * VM_E_DATA "bad_chain", "bad_record"; VM_E_SYSTEM.  argv is all-zero, and to
 * be released also on failure.
 */
int vm_command_build(const struct vm_command *command, struct vm_argv *argv,
    struct vm_error *err) VM_MUST_CHECK;

#endif
