/* login.c - see login.h. */
#include "lib/host/login.h"

#include <poll.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/host/ready.h"
#include "lib/store/publish.h"
#include "lib/store/vm.h"

#define KNOWN_HOSTS "known_hosts"
#define TICK_MS 50
#define TELL_MS 2000 /* a wait this long is said */

int
vm_login_write_known_hosts(struct vm_store *store, const struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_json *keys = vm_json_get(record,
	    "identity.ssh_host_keys");
	const char *name = vm_json_string(record, "name", "");
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_FD int dir_fd = -1;
	size_t i;

	for (i = 0; i < vm_json_count(keys); i++) {
		const char *key = vm_json_text(vm_json_at(keys, i));

		if (key == NULL || strpbrk(key, "\r\n") != NULL)
			return vm_error_set(err, VM_E_DATA, "bad_record",
			    "identity.ssh_host_keys.%zu: not one line", i);
		if (vm_buf_format(&text, err, "%s %s\n", name, key) == -1)
			return -1;
	}
	if (text.len == 0)
		return vm_error_set(err, VM_E_DATA, "no_host_key",
		    "the record has no ssh host key");
	dir_fd = vm_store_open_object(store, VM_STORE_VMS, name, err);
	if (dir_fd == -1)
		return -1;
	return vm_publish_file(store, dir_fd, KNOWN_HOSTS, 0640, text.data,
	    text.len, true, err);
}

/* A path as ssh_config(5) wants it: quoted, without tokens. */
static int
add_path(struct vm_argv *argv, const char *path, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	if (strchr(path, '"') != NULL)
		return vm_error_set(err, VM_E_CONFIG, "bad_store",
		    "%s: ssh takes no path with a quotation mark", path);
	for (; *path != '\0'; path++) {
		if (vm_buf_add(&text, path, 1, err) == -1 ||
		    (*path == '%' && vm_buf_add(&text, "%", 1, err) == -1))
			return -1;
	}
	return vm_argv_option(argv, err, "-o", "UserKnownHostsFile=\"%s\"",
	    text.data == NULL ? "" : text.data);
}

int
vm_login_add_options(struct vm_argv *argv, const struct vm_json *record,
    const char *known_hosts, struct vm_error *err)
{
	int64_t port = vm_json_int(record, "ssh.port", 0);

	if (port < 1 || port > UINT16_MAX) {
		vm_error_set(err, VM_E_UNAVAILABLE, "no_ssh_port",
		    "the record knows no way to its ssh");
		return vm_error_hint(err, "vmdeploy %s",
		    vm_json_string(record, "name", "NAME"));
	}
	if (add_path(argv, known_hosts, err) == -1 ||
	    vm_argv_add(argv, err, "-o", "GlobalKnownHostsFile=/dev/null", "-o",
		"StrictHostKeyChecking=yes", "-o", "CheckHostIP=no", "-o",
		"UpdateHostKeys=no", "-o", "LogLevel=ERROR",
		(char *)NULL) == -1 ||
	    vm_argv_option(argv, err, "-o", "HostKeyAlias=%s",
		vm_json_string(record, "name", "")) == -1)
		return -1;
	return vm_argv_option(argv, err, "-p", "%lld", (long long)port);
}

/*
 * "ssh", our options, the VM's port and address; user NULL: the record's; key,
 * a private key's file, NULL: as ssh finds one.
 */
static int
build(struct vm_store *store, const struct vm_json *record, const char *user,
    const char *key, struct vm_argv *argv, struct vm_error *err)
{
	const char *host = vm_json_string(record, "ssh.host", "127.0.0.1");
	VM_CLEAN_FREE char *path = vm_store_path(store, VM_STORE_VMS,
	    vm_json_string(record, "name", ""), KNOWN_HOSTS, err);

	if (path == NULL)
		return -1;
	if (user == NULL)
		user = vm_json_string(record, "ssh.user", "root");
	if (vm_argv_add(argv, err, "ssh", (char *)NULL) == -1 ||
	    vm_login_add_options(argv, record, path, err) == -1 ||
	    (key != NULL &&
		vm_argv_add(argv, err, "-i", key, (char *)NULL) == -1))
		return -1;
	return vm_argv_add(argv, err, "-l", user, "--", host, (char *)NULL);
}

static int
check_running(struct vm_store *store, const char *name, struct vm_error *err)
{
	int busy = vm_vm_is_busy(store, name, err);

	if (busy == -1)
		return -1;
	if (busy == 1)
		return 0;
	vm_error_set(err, VM_E_UNAVAILABLE, "not_running", "%s: does not run",
	    name);
	return vm_error_hint(err, "vmdeploy %s", name);
}

static int
give_up(const char *name, const char *cause, struct vm_error *err)
{
	vm_error_set(err, VM_E_TRY_AGAIN, "not_ready",
	    "%s: no sshd after %d s: %s", name,
	    (int)(VM_READY_DEFAULT_MS / 1000), cause);
	return vm_error_hint(err, "vmconsole --log %s", name);
}

/*
 * A guest that was just started still boots, and QEMU takes connections for it
 * that nobody will ever answer: wait for sshd's banner.
 */
static int
wait_for_sshd(struct vm_store *store, const struct vm_json *record,
    struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	VM_CLEAN(vm_ready_release)
	struct vm_ready probe = {
		.kind = &vm_ready_ssh,
		.record = record,
		.begun_ms = vm_clock_ms(),
		.cause = "nothing was heard",
		.port = (uint16_t)vm_json_int(record, "ssh.port", 0),
		.fd = -1,
		.pidfd = -1,
	};
	uint64_t now_ms, tell_ms = probe.begun_ms + TELL_MS;
	int rc;

	for (;; poll(NULL, 0, TICK_MS)) {
		now_ms = vm_clock_ms();
		rc = now_ms < probe.next_ms ?
		    0 :
		    vm_ready_step_stream(&probe, "SSH-", now_ms, err);
		if (rc != 0)
			return rc == 1 ? 0 : -1;
		if (vm_proc_check_stop(err) == -1 ||
		    check_running(store, name, err) == -1)
			return -1;
		if (now_ms > probe.begun_ms + VM_READY_DEFAULT_MS)
			return give_up(name, probe.cause, err);
		if (now_ms > tell_ms)
			vm_log(VM_LOG_WARN, "%s: waiting for its sshd", name);
		if (now_ms > tell_ms)
			tell_ms = UINT64_MAX;
	}
}

int
vm_login_exec(struct vm_store *store, const char *target, const char *key,
    char **words, size_t count, struct vm_error *err)
{
	VM_CLEAN_FREE char *user = NULL;
	VM_CLEAN_ARGV struct vm_argv argv = { 0 };
	VM_CLEAN_JSON struct vm_json *record = NULL;
	const char *at = strrchr(target, '@');
	const char *name = at == NULL ? target : at + 1;
	size_t i;

	if (at != NULL &&
	    (user = strndup(target, (size_t)(at - target))) == NULL)
		return vm_error_nomem(err);
	if ((record = vm_vm_load(store, name, false, err)) == NULL ||
	    check_running(store, name, err) == -1)
		return -1;
	if (vm_login_write_known_hosts(store, record, err) == -1 ||
	    build(store, record, user, key, &argv, err) == -1)
		return vm_error_wrap(err, "%s", name);
	if (strcmp(vm_json_string(record, "state", ""), "ready") != 0 &&
	    wait_for_sshd(store, record, err) == -1)
		return -1;
	for (i = 0; i < count; i++) {
		if (vm_argv_add(&argv, err, words[i], (char *)NULL) == -1)
			return -1;
	}
	vm_proc_become((const char *const *)argv.items, err);
	return vm_error_hint(err, "apt-get install openssh-client");
}
