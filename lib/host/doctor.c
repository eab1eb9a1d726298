/* doctor.c - see doctor.h: findings, and those about the host. */
#include "lib/host/doctor.h"

#include <sys/stat.h>
#include <sys/utsname.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/proc.h"
#include "lib/base/size.h"
#include "lib/disk/ext4.h"
#include "lib/host/tap.h"
#include "lib/qemu/accel.h"

#define SPACE_LACKING ((uint64_t)256 << 20)
#define SPACE_NOTE ((uint64_t)4 << 30)

/* ---- findings ---- */

void
vm_doctor_say(struct vm_doctor_finding *finding, enum vm_doctor_result result,
    const char *format, ...)
{
	va_list ap;

	finding->result = result;
	va_start(ap, format);
	vsnprintf(finding->message, sizeof(finding->message), format, ap);
	va_end(ap);
}

void
vm_doctor_say_error(struct vm_doctor_finding *finding,
    enum vm_doctor_result result, const struct vm_error *error)
{
	vm_doctor_say(finding, result, "%.500s", error->message);
	snprintf(finding->fix, sizeof(finding->fix), "%s", error->hint);
}

int
vm_doctor_add(struct vm_records *findings, const char *subject,
    const struct vm_doctor_finding *finding, struct vm_error *err)
{
	static const char *const words[] = { "ok", "note", "lacking" };
	VM_CLEAN_JSON struct vm_json *record = vm_record_new("check", err);

	if (record == NULL ||
	    vm_json_set_string(record, "subject", subject, err) == -1 ||
	    vm_json_set_string(record, "check", finding->check, err) == -1 ||
	    vm_json_set_string(record, "for", finding->used_by, err) == -1 ||
	    vm_json_set_string(record, "result", words[finding->result], err) ==
		-1 ||
	    vm_json_set_string(record, "message", finding->message, err) == -1)
		return -1;
	if (*finding->fix != '\0' &&
	    vm_json_set_string(record, "fix", finding->fix, err) == -1)
		return -1;
	return vm_records_add(findings, VM_TAKE(record), err);
}

size_t
vm_doctor_count(const struct vm_records *findings)
{
	size_t i, count = 0;

	for (i = 0; i < findings->count; i++)
		count += strcmp(vm_json_string(findings->items[i], "result",
				    ""),
			     "lacking") == 0;
	return count;
}

static void
suggest(struct vm_doctor_finding *finding, const char *fix)
{
	snprintf(finding->fix, sizeof(finding->fix), "%s", fix);
}

/* ---- the host ---- */

static void
check_store(struct vm_store *store, struct vm_doctor_finding *finding)
{
	if (store == NULL)
		vm_doctor_say(finding, VM_DOCTOR_OK,
		    "none yet: vmfetch makes it");
	else if (faccessat(store->root_fd, ".", W_OK | X_OK, AT_EACCESS) == -1)
		vm_doctor_say(finding, VM_DOCTOR_LACKING, "%.400s: %s",
		    store->root, strerror(errno));
	else
		vm_doctor_say(finding, VM_DOCTOR_OK, "%.400s", store->root);
}

static void
check_space(struct vm_store *store, struct vm_doctor_finding *finding)
{
	struct vm_error err = { 0 };
	char text[VM_SIZE_TEXT];
	uint64_t bytes;

	if (store == NULL) {
		vm_doctor_say(finding, VM_DOCTOR_OK, "not looked at: no store");
		return;
	}
	if (vm_store_free_space(store, &bytes, &err) == -1) {
		vm_doctor_say_error(finding, VM_DOCTOR_LACKING, &err);
		return;
	}
	vm_doctor_say(finding,
	    bytes < SPACE_LACKING  ? VM_DOCTOR_LACKING :
		bytes < SPACE_NOTE ? VM_DOCTOR_NOTE :
				     VM_DOCTOR_OK,
	    "%s free", vm_size_format(bytes, false, text));
	if (finding->result != VM_DOCTOR_OK)
		snprintf(finding->fix, sizeof(finding->fix),
		    "vmgc -n --trash; df -h %.400s", store->root);
}

static void
check_program(struct vm_doctor_finding *finding, const char *program,
    const char *package)
{
	if (vm_proc_has_program(program)) {
		vm_doctor_say(finding, VM_DOCTOR_OK, "%s found", program);
		return;
	}
	vm_doctor_say(finding, VM_DOCTOR_LACKING, "%s: not in PATH", program);
	snprintf(finding->fix, sizeof(finding->fix), "apt-get install %s",
	    package);
}

static void
check_qemu(struct vm_store *store, struct vm_doctor_finding *finding)
{
	(void)store;
	check_program(finding, VM_ACCEL_QEMU, "qemu-system-x86");
}

static void
check_img(struct vm_store *store, struct vm_doctor_finding *finding)
{
	(void)store;
	check_program(finding, "qemu-img", "qemu-utils");
}

static void
check_mke2fs(struct vm_store *store, struct vm_doctor_finding *finding)
{
	(void)store;
	if (vm_ext4_can_make()) {
		vm_doctor_say(finding, VM_DOCTOR_OK, "mke2fs found");
		return;
	}
	vm_doctor_say(finding, VM_DOCTOR_NOTE,
	    "mke2fs: not found: no volumes with mount:");
	snprintf(finding->fix, sizeof(finding->fix),
	    "apt-get install e2fsprogs");
}

static void
check_ssh(struct vm_store *store, struct vm_doctor_finding *finding)
{
	(void)store;
	check_program(finding, "ssh", "openssh-client");
}

static void
check_kvm(struct vm_store *store, struct vm_doctor_finding *finding)
{
	struct vm_error err = { 0 };
	struct vm_accel accel;

	(void)store;
	if (vm_accel_prove(&accel, &err) == -1) {
		vm_doctor_say_error(finding, VM_DOCTOR_NOTE, &err);
		return;
	}
	if (accel.kvm) {
		vm_doctor_say(finding, VM_DOCTOR_OK, "a test guest runs");
		return;
	}
	vm_doctor_say(finding, VM_DOCTOR_NOTE, "%s: guests are emulated",
	    accel.reason);
	if (access("/dev/kvm", F_OK) == -1)
		suggest(finding, "modprobe -a kvm_intel kvm_amd");
	else if (access("/dev/kvm", R_OK | W_OK) == -1)
		suggest(finding, "usermod -aG kvm \"$USER\"");
}

/* The kernel that libguestfs boots: any in /boot that we can read. */
static void
check_kernel(struct vm_store *store, struct vm_doctor_finding *finding)
{
	const char *given = getenv("SUPERMIN_KERNEL");
	glob_t found = { 0 };
	size_t i;

	(void)store;
	if (given != NULL && access(given, R_OK) == 0) {
		vm_doctor_say(finding, VM_DOCTOR_OK, "%.400s", given);
		return;
	}
	if (glob("/boot/vmlinu[xz]-*", 0, NULL, &found) != 0 ||
	    found.gl_pathc == 0) {
		vm_doctor_say(finding, VM_DOCTOR_LACKING, "no kernel in /boot");
		suggest(finding, "apt-get install linux-image-cloud-amd64");
		globfree(&found);
		return;
	}
	for (i = found.gl_pathc; i-- > 0;) {
		if (access(found.gl_pathv[i], R_OK) == 0) {
			vm_doctor_say(finding, VM_DOCTOR_OK, "%.400s",
			    found.gl_pathv[i]);
			globfree(&found);
			return;
		}
	}
	vm_doctor_say(finding, VM_DOCTOR_LACKING, "%.400s: we may not read it",
	    found.gl_pathv[found.gl_pathc - 1]);
	snprintf(finding->fix, sizeof(finding->fix),
	    "dpkg-statoverride --update --add root root 0644 %.300s",
	    found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
}

/* libguestfs builds its appliance with supermin, or is given one. */
static void
check_guestfs(struct vm_store *store, struct vm_doctor_finding *finding)
{
	const char *path = getenv("LIBGUESTFS_PATH");
	glob_t found = { 0 };
	bool has_parts = glob("/usr/lib*/*/guestfs/supermin.d", 0, NULL,
			     &found) == 0;

	(void)store;
	globfree(&found);
	if (!has_parts)
		has_parts = glob("/usr/lib*/guestfs/supermin.d", 0, NULL,
				&found) == 0;
	globfree(&found);
	if (path != NULL && access(path, R_OK | X_OK) == 0)
		vm_doctor_say(finding, VM_DOCTOR_OK, "%.400s", path);
	else if (has_parts && vm_proc_has_program("supermin"))
		vm_doctor_say(finding, VM_DOCTOR_OK, "appliance and supermin");
	else
		vm_doctor_say(finding, VM_DOCTOR_LACKING,
		    has_parts ? "supermin: not in PATH" :
				"the appliance's parts are not installed");
	if (finding->result == VM_DOCTOR_LACKING)
		suggest(finding, "apt-get install libguestfs0");
}

/* Only roles with bridge: need one, so its lack stops no command. */
static void
check_bridge(struct vm_store *store, struct vm_doctor_finding *finding)
{
	const char *helper = vm_tap_find_helper();
	struct stat st;

	(void)store;
	if (geteuid() == 0) {
		vm_doctor_say(finding, VM_DOCTOR_OK, "/dev/net/tun, as root");
		if (access("/dev/net/tun", R_OK | W_OK) == 0)
			return;
		vm_doctor_say(finding, VM_DOCTOR_NOTE, "/dev/net/tun: %s",
		    strerror(errno));
		suggest(finding, "modprobe tun");
	} else if (helper == NULL || stat(helper, &st) == -1) {
		vm_doctor_say(finding, VM_DOCTOR_NOTE,
		    "no qemu-bridge-helper: {bridge: ...} needs root");
		suggest(finding, "apt-get install qemu-system-common");
	} else if ((st.st_mode & S_ISUID) == 0) {
		vm_doctor_say(finding, VM_DOCTOR_NOTE,
		    "%s is not set-uid: {bridge: ...} needs root", helper);
		snprintf(finding->fix, sizeof(finding->fix), "chmod u+s %s",
		    helper);
	} else if (access("/etc/qemu/bridge.conf", F_OK) == -1) {
		vm_doctor_say(finding, VM_DOCTOR_NOTE,
		    "/etc/qemu/bridge.conf allows no bridge");
		suggest(finding, "echo allow br0 >/etc/qemu/bridge.conf");
	} else {
		vm_doctor_say(finding, VM_DOCTOR_OK, "%s", helper);
	}
}

static const struct {
	const char *check, *used_by;
	void (*look)(struct vm_store *store, struct vm_doctor_finding *finding);
} host_checks[] = {
	{ "store", "all", check_store },
	{ "space", "all", check_space },
	{ "qemu-img", "vmfetch", check_img },
	{ "mke2fs", "vmclone", check_mke2fs },
	{ "libguestfs", "vmcustomize", check_guestfs },
	{ "kernel", "vmcustomize", check_kernel },
	{ "qemu", "vmdeploy vmcustomize", check_qemu },
	{ "kvm", "vmdeploy vmcustomize", check_kvm },
	{ "bridge", "vmdeploy", check_bridge },
	{ "ssh", "vmfetch vmdeploy vmssh vmsched", check_ssh },
};

int
vm_doctor_check_host(struct vm_store *store, struct vm_records *findings,
    struct vm_error *err)
{
	size_t i;

	for (i = 0; i < sizeof(host_checks) / sizeof(*host_checks); i++) {
		struct vm_doctor_finding finding = {
			.check = host_checks[i].check,
			.used_by = host_checks[i].used_by
		};

		host_checks[i].look(store, &finding);
		if (vm_doctor_add(findings, "host", &finding, err) == -1)
			return -1;
	}
	return 0;
}
