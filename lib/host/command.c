/* command.c - see command.h. */
#include "lib/host/command.h"

#include <inttypes.h>
#include <stdint.h>

#include "lib/base/size.h"
#include "lib/host/drive.h"
#include "lib/record/uuid.h"

#define DEFAULT_MEMORY "512M"
#define SANDBOX                                                                \
	"on,obsolete=deny,elevateprivileges=deny,spawn=deny,"                  \
	"resourcecontrol=deny"

const char *const vm_command_sockets[VM_COMMAND_SOCKETS] = {
	[VM_COMMAND_MONITOR] = "qmp.sock",
	[VM_COMMAND_CONSOLE] = "console.sock",
	[VM_COMMAND_AGENT] = "agent.sock",
};

static int
add_machine(struct vm_argv *argv, const struct vm_command *command,
    struct vm_error *err)
{
	const struct vm_json *record = command->record;
	uint64_t memory;

	if (vm_size_parse(vm_json_string(record, "spec.memory", DEFAULT_MEMORY),
		&memory, err) == -1)
		return vm_error_wrap(err, "spec.memory");
	if (vm_argv_option(argv, err, "-machine", "%s,accel=%s",
		vm_json_string(record, "run.machine", "q35"),
		command->kvm ? "kvm" : "tcg") == -1 ||
	    vm_argv_option(argv, err, "-cpu", "%s",
		command->kvm ? "host" : "max") == -1 ||
	    vm_argv_option(argv, err, "-smp", "%" PRId64,
		vm_json_int(record, "spec.cpus", 1)) == -1)
		return -1;
	return vm_argv_option(argv, err, "-m", "%" PRIu64 "M",
	    (memory + (1 << 20) - 1) >> 20);
}

/*
 * The generation ID, which tells a guest that it goes on from another point
 * than where it stopped: QEMU has it in the ACPI tables of PC machines.
 */
static int
add_generation(struct vm_argv *argv, const struct vm_json *record,
    struct vm_error *err)
{
	const char *id = vm_json_string(record, "identity.generation_id", NULL);
	char uuid[VM_UUID_TEXT];

	if (id == NULL)
		return 0;
	if (vm_uuid_parse(id, uuid, err) == -1) {
		if (err != NULL)
			err->kind = VM_E_DATA;
		return vm_error_wrap(err, "identity.generation_id");
	}
	return vm_argv_option(argv, err, "-device", "vmgenid,guid=%s", uuid);
}

/* A socket that QEMU serves: handed over, or (by hand) made by name. */
static int
add_socket(struct vm_argv *argv, const struct vm_command *command,
    enum vm_command_socket i, const char *id, const char *more,
    struct vm_error *err)
{
	if (command->fds[i] >= 0)
		return vm_argv_option(argv, err, "-chardev",
		    "socket,id=%s,fd=%d,server=on,wait=off%s", id,
		    command->fds[i], more);
	return vm_argv_option(argv, err, "-chardev",
	    "socket,id=%s,path=%s,server=on,wait=off%s", id,
	    vm_command_sockets[i], more);
}

static int
add_channels(struct vm_argv *argv, const struct vm_command *command,
    struct vm_error *err)
{
	if (add_socket(argv, command, VM_COMMAND_MONITOR, "monitor", "", err) ==
		-1 ||
	    vm_argv_add(argv, err, "-mon", "chardev=monitor,mode=control",
		(char *)NULL) == -1 ||
	    add_socket(argv, command, VM_COMMAND_CONSOLE, "console",
		",logfile=console.log,logappend=on", err) == -1 ||
	    vm_argv_add(argv, err, "-serial", "chardev:console", "-device",
		"virtio-serial-pci", (char *)NULL) == -1 ||
	    add_socket(argv, command, VM_COMMAND_AGENT, "agent", "", err) == -1)
		return -1;
	return vm_argv_add(argv, err, "-device",
	    "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
	    "-device", "virtio-rng-pci", (char *)NULL);
}

int
vm_command_build(const struct vm_command *command, struct vm_argv *argv,
    struct vm_error *err)
{
	const struct vm_json *record = command->record;

	if (vm_argv_add(argv, err, command->qemu, "-name",
		vm_json_string(record, "name", "vm"), "-uuid",
		vm_json_string(record, "identity.uuid", ""), "-nodefaults",
		"-no-user-config", "-display", "none", "-sandbox", SANDBOX,
		(char *)NULL) == -1 ||
	    add_machine(argv, command, err) == -1 ||
	    add_generation(argv, record, err) == -1 ||
	    vm_drive_add(argv, record, command->dir_fd, err) == -1 ||
	    add_channels(argv, command, err) == -1)
		return -1;
	return vm_net_add(argv, command->nets, err);
}
