/* launch.c - see launch.h. */
#include "lib/host/launch.h"

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "lib/host/command.h"
#include "lib/qemu/process.h"
#include "lib/host/words.h"
#include "lib/qemu/socket.h"
#include "lib/record/drift.h"
#include "lib/record/record.h"
#include "lib/store/lineage.h"
#include "lib/store/vm.h"
#include "lib/store/volume.h"

#define ATTEMPTS 4
#define GREETING_MS 60000
#define END_MS 2000

/* ---- what the record says before the start ---- */

static int
note_ssh(const struct vm_launch *launch, struct vm_error *err)
{
	struct vm_json *record = launch->record;
	uint16_t port = vm_net_find_port(&launch->nets, 22);
	const char *user = vm_json_string(record, "ssh.user", "root");
	struct vm_json *ssh = vm_json_new_object();
	const struct vm_json *nics = vm_json_get(record, "identity.nics");
	char host[64] = "127.0.0.1";
	size_t i;

	/* Without a forward the first known address will do, from this host. */
	for (i = 0; port == 0 && i < vm_json_count(nics); i++) {
		const char *address = vm_json_string(vm_json_at(nics, i),
		    "address", "");

		if (strncmp(vm_json_string(vm_json_at(nics, i), "network", ""),
			"bridge:", 7) != 0 ||
		    *address == '\0')
			continue;
		snprintf(host, sizeof(host), "%.*s", (int)strcspn(address, "/"),
		    address);
		port = 22;
	}
	if (port == 0) {
		vm_json_free(ssh);
		vm_json_delete(record, "ssh");
		return 0;
	}
	if (vm_json_set_string(ssh, "user", user, err) == -1 ||
	    vm_json_set_string(ssh, "host", host, err) == -1 ||
	    vm_json_set_int(ssh, "port", port, err) == -1) {
		vm_json_free(ssh);
		return -1;
	}
	return vm_json_set(record, "ssh", ssh, err);
}

/* What is about to run; run.pid is of the past. */
static int
note_plan(const struct vm_launch *launch, struct vm_error *err)
{
	struct vm_json *record = launch->record;

	vm_json_delete(record, "run.pid");
	vm_json_delete(record, "stopped_by");
	vm_json_delete(record, "timing_ms.stop");
	vm_json_delete(record, "timing_ms.ready");
	if (vm_json_set_string(record, "run.accel", launch->kvm ? "kvm" : "tcg",
		err) == -1 ||
	    vm_json_set(record, "run.forwards",
		vm_net_format_forwards(&launch->nets, err), err) == -1 ||
	    note_ssh(launch, err) == -1 ||
	    vm_drift_remove(record, "machine", err) == -1 ||
	    vm_json_set_bool(record, "started", true, err) == -1)
		return -1;
	return vm_vm_save(launch->store, record, err);
}

/* Volumes are there, and as large as the role asks for. */
static int
prepare_volumes(const struct vm_launch *launch, struct vm_error *err)
{
	struct vm_json *record = launch->record;
	bool grown;

	if (vm_volume_check_all(launch->store, record, launch->dir_fd, err) ==
		-1 ||
	    vm_volume_grow_all(launch->store, record, true, &grown, err) == -1)
		return -1;
	if (!grown || vm_drift_has_disks(record, vm_json_get(record, "spec")))
		return 0;
	return vm_drift_remove(record, "disk", err);
}

/* ---- files and sockets ---- */

/* The log of this start; what the last one left is dropped. */
static int
open_log(int dir_fd, const char *name, struct vm_error *err)
{
	int fd = openat(dir_fd, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
	    0600);

	return fd == -1 ? vm_error_errno(err, errno, "%s", name) : fd;
}

static void
close_all(int *fds, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		vm_clean_fd(&fds[i]);
		fds[i] = -1;
	}
}

static int
open_sockets(int dir_fd, int fds[VM_COMMAND_SOCKETS], struct vm_error *err)
{
	size_t i;

	for (i = 0; i < VM_COMMAND_SOCKETS; i++) {
		fds[i] = vm_socket_listen(dir_fd, vm_command_sockets[i], err);
		if (fds[i] == -1)
			return -1;
	}
	return 0;
}

/* ---- the process ---- */

static int
enter_directory(void *arg)
{
	return fchdir(*(const int *)arg);
}

/*
 * Where systemd runs, a scope vmpipe-NAME: QEMU is then in no session's control
 * group.  systemd-run makes the scope and becomes the command itself.
 */
static int
add_scope(struct vm_argv *argv, const char *name, struct vm_error *err)
{
	if (access("/run/systemd/system", F_OK) == -1 ||
	    !vm_proc_has_program("systemd-run") ||
	    (geteuid() != 0 && getenv("XDG_RUNTIME_DIR") == NULL))
		return 0;
	if (vm_argv_add(argv, err, "systemd-run", "--quiet", "--scope",
		"--collect", (char *)NULL) == -1 ||
	    (geteuid() != 0 &&
		vm_argv_add(argv, err, "--user", (char *)NULL) == -1))
		return -1;
	return vm_argv_option(argv, err, "--unit", "vmpipe-%s", name) == -1 ?
	    -1 :
	    vm_argv_add(argv, err, "--", (char *)NULL);
}

static int
spawn(struct vm_launch *launch, const int fds[VM_COMMAND_SOCKETS],
    const struct vm_argv *argv, struct vm_error *err)
{
	int keep[VM_COMMAND_SOCKETS + VM_NET_MAX + 1];
	VM_CLEAN_FD int log = open_log(launch->dir_fd, "qemu.log", err);
	VM_CLEAN_FD int console = open_log(launch->dir_fd, "console.log", err);
	struct vm_proc_options options = {
		.argv = (const char *const *)argv->items,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = log,
		.keep_fds = keep,
		.prepare = enter_directory,
		.prepare_arg = &launch->dir_fd,
		.detach = true,
	};
	size_t i;

	if (log == -1 || console == -1)
		return -1;
	for (i = 0; i < VM_COMMAND_SOCKETS; i++)
		keep[options.keep_count++] = fds[i];
	for (i = 0; i < launch->nets.count; i++) {
		if (launch->nets.items[i].tap_fd >= 0)
			keep[options.keep_count++] =
			    launch->nets.items[i].tap_fd;
	}
	keep[options.keep_count++] = launch->lock_fd;
	launch->begun_ms = vm_clock_ms();
	launch->pidfd = vm_proc_start(&options, &launch->pid, err);
	return launch->pidfd == -1 ? -1 : 0;
}

static int
start(struct vm_launch *launch, int fds[VM_COMMAND_SOCKETS],
    struct vm_error *err)
{
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	struct vm_command command = { .record = launch->record,
		.qemu = launch->qemu,
		.kvm = launch->kvm,
		.dir_fd = launch->dir_fd,
		.nets = &launch->nets };

	if (vm_lineage_check(launch->store, launch->record, launch->dir_fd,
		err) == -1 ||
	    vm_lineage_renew(launch->record, launch->dir_fd, err) == -1 ||
	    prepare_volumes(launch, err) == -1 ||
	    open_sockets(launch->dir_fd, fds, err) == -1)
		return -1;
	memcpy(command.fds, fds, sizeof(command.fds));
	if (add_scope(&argv, vm_json_string(launch->record, "name", ""), err) ==
		-1 ||
	    vm_command_build(&command, &argv, err) == -1 ||
	    note_plan(launch, err) == -1)
		return -1;
	return spawn(launch, fds, &argv, err);
}

int
vm_launch_begin(struct vm_launch *launch, struct vm_error *err)
{
	int fds[VM_COMMAND_SOCKETS] = { -1, -1, -1 }, rc;

	launch->attempts++;
	rc = vm_net_plan(launch->record, launch->store->root, &launch->nets,
	    err);
	if (rc == 0)
		rc = vm_net_reserve(&launch->nets, err);
	if (rc == 0)
		rc = start(launch, fds, err);
	close_all(fds, VM_COMMAND_SOCKETS);
	if (rc == -1)
		vm_net_release(&launch->nets);
	return rc;
}

/* ---- is it running? ---- */

int
vm_launch_fail(int dir_fd, const char *what, struct vm_error *err)
{
	char words[512];

	vm_words_read(dir_fd, "qemu.log", 1, words, sizeof(words));
	return vm_error_set(err, VM_E_UNAVAILABLE, "qemu_failed", "%s%s%s",
	    what, *words != '\0' ? ": " : "", words);
}

/* It has ended.  Was it for a port that somebody else had taken? */
static int
try_again(struct vm_launch *launch, struct vm_error *err)
{
	waitpid(launch->pid, NULL, 0);
	vm_clean_fd(&launch->pidfd);
	launch->pidfd = -1;
	vm_net_release(&launch->nets);
	vm_launch_fail(launch->dir_fd, "QEMU has ended at once", err);
	if (launch->attempts >= ATTEMPTS ||
	    strstr(err->message, "host forwarding") == NULL)
		return -1;
	vm_error_clear(err);
	vm_json_delete(launch->record, "run.forwards");
	if (vm_launch_begin(launch, err) == -1)
		return -1;
	return vm_launch_finish(launch, err);
}

/* The versioned name of the machine, so that it stays the same for ever. */
static int
pin_machine(struct vm_json *record, struct vm_qmp *qmp, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *type = NULL;
	struct vm_json *arguments = vm_json_new_object();
	char machine[64];
	const char *name;

	if (vm_json_string(record, "run.machine", NULL) != NULL) {
		vm_json_free(arguments);
		return 0;
	}
	if (vm_json_set_string(arguments, "path", "/machine", err) == -1 ||
	    vm_json_set_string(arguments, "property", "type", err) == -1) {
		vm_json_free(arguments);
		return -1;
	}
	if (vm_qmp_call(qmp, "qom-get", arguments, VM_PROCESS_ASK_MS, &type,
		err) == -1)
		return -1;
	name = vm_json_text(type);
	if (name == NULL || strlen(name) >= sizeof(machine))
		return vm_error_set(err, VM_E_UNAVAILABLE, "monitor_nonsense",
		    "QEMU names no machine type");
	snprintf(machine, sizeof(machine), "%s", name);
	name = strstr(machine, "-machine");
	if (name != NULL)
		machine[name - machine] = '\0';
	return vm_json_set_string(record, "run.machine", machine, err);
}

int
vm_launch_finish(struct vm_launch *launch, struct vm_error *err)
{
	VM_CLEAN_QMP struct vm_qmp qmp = VM_QMP_CLOSED;
	struct vm_json *record = launch->record;
	int fd = vm_socket_connect(launch->dir_fd,
	    vm_command_sockets[VM_COMMAND_MONITOR], err);

	if (fd == -1 ||
	    vm_qmp_open(&qmp, fd, launch->pidfd, GREETING_MS, err) == -1) {
		/* A process that ends closes its monitor first. */
		if (vm_process_wait_end(launch->pidfd,
			strcmp(err->code, "monitor_closed") == 0 ? END_MS : 0))
			return try_again(launch, err);
		/* Alive, but nobody can ever speak to it: not a VM. */
		if (err->kind == VM_E_UNAVAILABLE)
			kill(launch->pid, SIGKILL);
		return -1;
	}
	vm_net_release(&launch->nets);
	if (pin_machine(record, &qmp, err) == -1 ||
	    vm_json_set_int(record, "run.pid", launch->pid, err) == -1 ||
	    vm_record_step(record, "running", "start",
		(long long)(vm_clock_ms() - launch->begun_ms), err) == -1)
		return -1;
	return vm_vm_save(launch->store, record, err);
}

void
vm_launch_release(struct vm_launch *launch)
{
	vm_net_release(&launch->nets);
	vm_clean_fd(&launch->dir_fd);
	vm_clean_fd(&launch->lock_fd);
	vm_clean_fd(&launch->pidfd);
	*launch = (struct vm_launch)VM_LAUNCH_EMPTY;
}

int
vm_launch_format(struct vm_launch *launch, struct vm_buf *out,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *dir = NULL;
	VM_CLEAN_ARGV struct vm_argv cd = { 0 };
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	struct vm_command command = { .record = launch->record,
		.qemu = launch->qemu,
		.kvm = launch->kvm,
		.dir_fd = launch->dir_fd,
		.nets = &launch->nets,
		.fds = { -1, -1, -1 } };

	dir = vm_store_path(launch->store, VM_STORE_VMS,
	    vm_json_string(launch->record, "name", ""), NULL, err);
	if (dir == NULL ||
	    vm_lineage_check(launch->store, launch->record, launch->dir_fd,
		err) == -1 ||
	    vm_volume_check_all(launch->store, launch->record, launch->dir_fd,
		err) == -1 ||
	    vm_net_plan(launch->record, launch->store->root, &launch->nets,
		err) == -1 ||
	    vm_command_build(&command, &argv, err) == -1 ||
	    vm_argv_add(&cd, err, "cd", dir, (char *)NULL) == -1 ||
	    vm_argv_format(&cd, out, err) == -1 ||
	    vm_buf_add_string(out, " && exec ", err) == -1)
		return -1;
	return vm_argv_format(&argv, out, err);
}
