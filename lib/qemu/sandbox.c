#include "lib/qemu/sandbox.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FS_READ                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |           \
	    LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_ALL ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0
#endif

/* What a program needs in order to start; what is absent is left out. */
static const char *const system_paths[] = {
	"/usr",
	"/bin",
	"/lib",
	"/lib64",
	"/etc/ld.so.cache",
	"/dev/null",
	"/dev/urandom",
	"/proc/self",
	"/sys/devices/system/cpu",
};

static int
allow(int ruleset, int dir_fd, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access };
	int result;

	rule.parent_fd = openat(dir_fd, path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd == -1)
		return -1;
	result = (int)syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	/* Directory rights make no sense on a file. */
	if (result == -1 && errno == EINVAL) {
		rule.allowed_access &= ~(uint64_t)LANDLOCK_ACCESS_FS_READ_DIR;
		result = (int)syscall(SYS_landlock_add_rule, ruleset,
		    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	}
	close(rule.parent_fd);
	return result;
}

/* Wherever PATH finds it; a program that is not there is exec's to report. */
static void
allow_program(int ruleset, const char *program)
{
	const char *at = getenv("PATH");
	char path[4096];

	while (at != NULL) {
		int len = (int)strcspn(at, ":");

		snprintf(path, sizeof(path), "%.*s/%s", len, at, program);
		if (access(path, X_OK) == 0) {
			(void)allow(ruleset, AT_FDCWD, path, FS_READ);
			return;
		}
		at = at[len] == '\0' ? NULL : at + len + 1;
	}
}

int
vm_sandbox_open(struct vm_sandbox *sandbox, const char *program, int dir_fd,
    const char *read_name, const char *write_name, struct vm_error *err)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = FS_ALL };
	size_t count = sizeof(system_paths) / sizeof(system_paths[0]);
	int ruleset;

	sandbox->dir_fd = dir_fd;
	sandbox->ruleset_fd = -1;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
	    0);
	if (ruleset == -1)
		return errno == ENOSYS || errno == EOPNOTSUPP ?
		    0 :
		    vm_error_errno(err, errno, "make a sandbox");
	sandbox->ruleset_fd = ruleset;
	for (size_t i = 0; i < count; i++)
		if (allow(ruleset, AT_FDCWD, system_paths[i], FS_READ) == -1 &&
		    errno != ENOENT && errno != EACCES)
			goto failed;
	allow_program(ruleset, program);
	if (allow(ruleset, dir_fd, read_name, LANDLOCK_ACCESS_FS_READ_FILE) ==
		0 &&
	    allow(ruleset, dir_fd, write_name,
		LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE) ==
		0)
		return 0;
failed:
	vm_error_errno(err, errno, "make a sandbox");
	vm_sandbox_close(sandbox);
	return -1;
}

void
vm_sandbox_close(struct vm_sandbox *sandbox)
{
	if (sandbox->ruleset_fd >= 0)
		close(VM_TAKE_FD(sandbox->ruleset_fd));
}

/* socket(2) fails; so does any call through another ABI. */
static int
refuse_sockets(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
#ifdef __x86_64__
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#endif
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	if (ARCH == 0)
		return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int
vm_sandbox_enter(void *arg)
{
	const struct vm_sandbox *sandbox = arg;

	if (fchdir(sandbox->dir_fd) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	if (sandbox->ruleset_fd >= 0 &&
	    syscall(SYS_landlock_restrict_self, sandbox->ruleset_fd, 0) == -1)
		return -1;
	return refuse_sockets();
}
