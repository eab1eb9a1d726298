/* accel.c - see accel.h. */
#include "lib/qemu/accel.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/adapt/json.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/qemu/accel_guest.h"
#include "lib/store/lock.h"
#include "lib/store/publish.h"

#define CACHE "accel.json"
#define TRY_CPU_S 4
#define TRY_MS 10000

/* What a verdict holds for: this boot of the host and this QEMU. */
struct identity {
	char boot_id[64];
	char qemu[512];
};

char *
vm_accel_find_qemu(struct vm_error *err)
{
	const char *path = getenv("PATH"), *end;

	for (; path != NULL && *path != '\0'; path = *end ? end + 1 : end) {
		char *file;

		end = strchrnul(path, ':');
		if (*path != '/')
			continue;
		file = vm_buf_printf(err, "%.*s/" VM_ACCEL_QEMU,
		    (int)(end - path), path);
		if (file == NULL || access(file, X_OK) == 0)
			return file;
		free(file);
	}
	vm_error_set(err, VM_E_UNAVAILABLE, "no_qemu",
	    VM_ACCEL_QEMU ": not found in PATH");
	vm_error_hint(err, "apt-get install qemu-system-x86");
	return NULL;
}

static int
identify(const char *qemu, struct identity *id, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf boot = { 0 };
	struct stat st;

	if (vm_fd_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 63,
		&boot, err) == -1)
		return -1;
	if (stat(qemu, &st) == -1)
		return vm_error_errno(err, errno, "%s", qemu);
	snprintf(id->boot_id, sizeof(id->boot_id), "%.*s",
	    (int)strcspn(boot.data, "\n"), boot.data);
	snprintf(id->qemu, sizeof(id->qemu), "%.400s %lld %lld.%09ld", qemu,
	    (long long)st.st_size, (long long)st.st_mtim.tv_sec,
	    st.st_mtim.tv_nsec);
	return 0;
}

/* The last line a program has said, made safe, as the reason. */
static void
set_reason(char reason[256], const char *what, const struct vm_buf *text)
{
	char safe[200] = "";
	size_t end = text->len, start;

	while (end > 0 && strchr("\r\n", text->data[end - 1]) != NULL)
		text->data[--end] = '\0';
	for (start = end; start > 0 && text->data[start - 1] != '\n'; start--)
		continue;
	if (end > start)
		vm_log_escape(text->data + start, safe, sizeof(safe));
	snprintf(reason, 256, "%s%s%s", what, *safe ? ": " : "", safe);
}

int
vm_accel_try(const char *qemu, const char *type, char reason[256],
    struct vm_error *err)
{
	VM_CLEAN_FD int disk = vm_accel_guest_create(err);
	VM_CLEAN(vm_proc_release) struct vm_proc_result result = { 0 };
	bool is_kvm = strcmp(type, "kvm") == 0;
	char drive[96], machine[32];
	const char *argv[] = { qemu, "-nodefaults", "-no-user-config",
		"-display", "none", "-machine", machine, "-cpu",
		is_kvm ? "host" : "max", "-smp", "2", "-m", "128", "-drive",
		drive, "-device", "virtio-blk-pci,drive=d", "-device",
		VM_ACCEL_GUEST_DEVICE, NULL };
	const struct vm_proc_options options = { .argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.keep_fds = &disk,
		.keep_count = 1,
		.timeout_ms = TRY_MS,
		.limit_cpu_s = is_kvm ? TRY_CPU_S : 0 };

	if (disk == -1)
		return -1;
	snprintf(machine, sizeof(machine), "q35,accel=%s", type);
	snprintf(drive, sizeof(drive),
	    "id=d,if=none,format=raw,readonly=on,file.locking=off,"
	    "file=/proc/self/fd/%d",
	    disk);
	if (vm_proc_run(&options, &result, err) == -1) {
		if (err->kind != VM_E_TRY_AGAIN)
			return -1;
		vm_error_clear(err);
		set_reason(reason, "a test guest does not come to its end",
		    &result.err);
		return 0;
	}
	if (result.status == VM_ACCEL_GUEST_STATUS)
		return 1;
	set_reason(reason,
	    result.status > 128 ? "a test guest does not come to its end" :
				  "a test guest does not run",
	    &result.err);
	return 0;
}

/* Does the processor show an extension that KVM needs? */
static bool
has_virtualisation(void)
{
	VM_CLEAN_FILE FILE *f = fopen("/proc/cpuinfo", "re");
	VM_CLEAN_FREE char *line = NULL;
	size_t size = 0;

	while (f != NULL && getline(&line, &size, f) != -1) {
		if (strncmp(line, "flags", 5) == 0)
			return strstr(line, " vmx") || strstr(line, " svm");
	}
	return false;
}

/* What needs no test guest, and may change while the host runs. */
static bool
is_hopeless(char reason[256])
{
	*reason = '\0';
	if (access("/dev/kvm", R_OK | W_OK) == -1)
		snprintf(reason, 256, "/dev/kvm: %s", strerror(errno));
	else if (!has_virtualisation())
		snprintf(reason, 256,
		    "the processor shows neither vmx nor svm");
	return *reason != '\0';
}

static int
prove(const char *qemu, struct vm_accel *accel, struct vm_error *err)
{
	struct vm_accel found = { .fresh = true };
	int rc;

	if (!is_hopeless(found.reason)) {
		rc = vm_accel_try(qemu, "kvm", found.reason, err);
		if (rc == -1)
			return -1;
		found.kvm = rc == 1;
		found.tried = true;
	}
	*accel = found;
	return 0;
}

int
vm_accel_prove(struct vm_accel *accel, struct vm_error *err)
{
	VM_CLEAN_FREE char *qemu = vm_accel_find_qemu(err);

	return qemu == NULL ? -1 : prove(qemu, accel, err);
}

/*
 * The verdict kept, when it holds for this identity.  One that rests on what
 * can be seen at once must rest on the same now: permissions may have changed.
 */
static bool
load(struct vm_store *store, const struct identity *id, struct vm_accel *accel)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_JSON struct vm_json *json = NULL;
	char now[256];

	if (vm_fd_read_file(store->fds[VM_STORE_LOCKS], CACHE, 4096, &text,
		NULL) == -1 ||
	    (json = vm_json_parse(text.data, text.len, NULL)) == NULL ||
	    strcmp(vm_json_string(json, "boot_id", ""), id->boot_id) != 0 ||
	    strcmp(vm_json_string(json, "qemu", ""), id->qemu) != 0)
		return false;
	if (is_hopeless(now) ?
		strcmp(vm_json_string(json, "reason", ""), now) != 0 :
		!vm_json_bool(json, "tried", false))
		return false;
	accel->kvm = vm_json_bool(json, "kvm", false);
	accel->tried = vm_json_bool(json, "tried", false);
	accel->fresh = false;
	snprintf(accel->reason, sizeof(accel->reason), "%s",
	    vm_json_string(json, "reason", ""));
	return true;
}

static int
save(struct vm_store *store, const struct identity *id,
    const struct vm_accel *accel, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_JSON struct vm_json *json = vm_json_new_object();

	if (vm_json_set_string(json, "boot_id", id->boot_id, err) == -1 ||
	    vm_json_set_string(json, "qemu", id->qemu, err) == -1 ||
	    vm_json_set_bool(json, "kvm", accel->kvm, err) == -1 ||
	    vm_json_set_bool(json, "tried", accel->tried, err) == -1 ||
	    vm_json_set_string(json, "reason", accel->reason, err) == -1 ||
	    vm_json_format(json, false, &text, err) == -1 ||
	    vm_buf_add_string(&text, "\n", err) == -1)
		return -1;
	return vm_publish_file(store, store->fds[VM_STORE_LOCKS], CACHE, 0640,
	    text.data, text.len, true, err);
}

int
vm_accel_get(struct vm_store *store, struct vm_accel *accel,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *qemu = vm_accel_find_qemu(err);
	VM_CLEAN_FD int lock = -1;
	struct vm_accel found;
	struct identity id;

	if (qemu == NULL || identify(qemu, &id, err) == -1)
		return -1;
	if (load(store, &id, accel))
		return 0;
	/* Another command may be finding out: one test guest is enough. */
	lock = vm_lock_named(store, "accel", VM_LOCK_FOREVER, err);
	if (lock == -1)
		return -1;
	if (load(store, &id, accel))
		return 0;
	if (prove(qemu, &found, err) == -1 ||
	    save(store, &id, &found, err) == -1)
		return -1;
	*accel = found;
	return 0;
}

int
vm_accel_setup_guestfs(struct vm_store *store, struct vm_error *err)
{
	struct vm_accel accel;

	if (getenv("LIBGUESTFS_BACKEND_SETTINGS") != NULL)
		return 0;
	if (vm_accel_get(store, &accel, err) == -1)
		return -1;
	if (!accel.kvm &&
	    setenv("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg", 1) == -1)
		return vm_error_nomem(err);
	return 0;
}
