#include "lib/disk/ext4.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/proc.h"

#define MAKE_MS ((uint64_t)10 * 60 * 1000)

/* Kernel, Documentation/filesystems/ext4/super.rst; s_uuid lies behind. */
#define SUPERBLOCK 1024
#define SUPERBLOCK_MAGIC 56
#define SUPERBLOCK_UUID 104

int
vm_ext4_read_uuid(int fd, char uuid[VM_EXT4_UUID], struct vm_error *err)
{
	unsigned char block[SUPERBLOCK_UUID + 16];
	size_t got;

	if (vm_fd_pread(fd, block, sizeof(block), SUPERBLOCK, &got,
		"superblock", err) == -1)
		return -1;
	if (got != sizeof(block) || block[SUPERBLOCK_MAGIC] != 0x53 ||
	    block[SUPERBLOCK_MAGIC + 1] != 0xef)
		return vm_error_set(err, VM_E_DATA, "not_ext4",
		    "no ext4 file system");
	for (size_t i = 0, at = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			uuid[at++] = '-';
		snprintf(uuid + at, VM_EXT4_UUID - at, "%02x",
		    block[SUPERBLOCK_UUID + i]);
		at += 2;
	}
	return 0;
}

/* A user's PATH need not name the directories of root's programs. */
static const char *
find_program(void)
{
	static const char *const others[] = { "/usr/sbin/mke2fs",
		"/sbin/mke2fs" };

	if (vm_proc_has_program("mke2fs"))
		return "mke2fs";
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (access(others[i], X_OK) == 0)
			return others[i];
	return NULL;
}

bool
vm_ext4_can_make(void)
{
	return find_program() != NULL;
}

static int
check_empty(int fd, struct vm_error *err)
{
	if (lseek(fd, 0, SEEK_DATA) != -1)
		return vm_error_set(err, VM_E_EXISTS, "not_empty",
		    "the disk holds data: no file system is made on it");
	return errno == ENXIO ? 0 : vm_error_errno(err, errno, "disk");
}

int
vm_ext4_make(int fd, const char *label, char uuid[VM_EXT4_UUID],
    struct vm_error *err)
{
	char path[32], name[VM_EXT4_LABEL_MAX + 1];
	const char *program = find_program();
	/* all is zero already: the journal and inode tables need no writing */
	const char *const argv[] = { program, "-q", "-F", "-t", "ext4", "-L",
		name, "-E", "root_owner=0:0,lazy_journal_init=1", "--", path,
		NULL };
	static const char *const env[] = { "LC_ALL=C", NULL };
	const struct vm_proc_options options = {
		.argv = argv,
		.env = env,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.keep_fds = &fd,
		.keep_count = 1,
		.timeout_ms = MAKE_MS,
	};
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(name, sizeof(name), "%s", label);
	if (program == NULL) {
		vm_error_set(err, VM_E_UNAVAILABLE, "no_program",
		    "mke2fs: not found: it makes the file systems of volumes");
		return vm_error_hint(err, "apt-get install e2fsprogs");
	}
	if (check_empty(fd, err) == -1)
		return -1;
	if (vm_proc_run_ok(&options, &result, err) == 0)
		return vm_ext4_read_uuid(fd, uuid, err);
	if (result.err.data != NULL &&
	    strstr(result.err.data, strerror(ENOSPC)) != NULL)
		return vm_error_errno(err, ENOSPC, "mke2fs");
	return -1;
}
