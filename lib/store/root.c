#include "lib/store/root.h"

#include <sys/stat.h>
#include <sys/vfs.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * File systems of this host alone, with hard links and flock: statfs(2)'s
 * f_type.  A list of what is good, since a network file system that we have
 * not heard of would lose locks silently.
 */
static const unsigned long local_types[] = {
	0x0000ef53, /* ext2, ext3, ext4 */
	0x58465342, /* XFS */
	0x9123683e, /* btrfs */
	0x01021994, /* tmpfs */
	0x2fc12fc1, /* ZFS */
	0xf2f52010, /* F2FS */
	0xca451a4e, /* bcachefs */
	0x794c7630, /* overlayfs */
	0x858458f6, /* ramfs */
	0x52654973, /* ReiserFS */
	0x3153464a, /* JFS */
	0x00003434, /* NILFS */
};

static const struct {
	unsigned long type;
	const char *name;
} remote_types[] = {
	{ 0x00006969, "NFS" },
	{ 0x65735546, "FUSE" },
	{ 0x01021997, "9p" },
	{ 0x0000517b, "SMB" },
	{ 0xff534d42, "CIFS" },
	{ 0xfe534d42, "SMB2" },
	{ 0x00c36400, "Ceph" },
	{ 0x5346414f, "AFS" },
	{ 0x786f4256, "vboxsf" },
	{ 0x00004d44, "FAT" },
	{ 0x2011bab0, "exFAT" },
};

int
vm_root_refuse(const char *path, const char *why, struct vm_error *err)
{
	return vm_error_set(err, VM_E_DENIED, "bad_store", "the store %s %s",
	    path, why);
}

int
vm_root_check_owner(int fd, const char *path, struct vm_error *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", path);
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		vm_root_refuse(path, "belongs to another user", err);
		return vm_error_hint(err, "id; ls -ld '%s'", path);
	}
	if ((st.st_mode & S_IWOTH) != 0) {
		vm_root_refuse(path, "can be written by everybody", err);
		/* A directory of the system, like /tmp, is meant to be so. */
		return (st.st_mode & S_ISVTX) != 0 ?
		    vm_error_hint(err,
			"mkdir -m 750 '%s/vmpipe', and give that", path) :
		    vm_error_hint(err, "chmod o-w '%s'", path);
	}
	return 0;
}

int
vm_root_check_type(int fd, const char *path, struct vm_error *err)
{
	struct statfs fs;
	unsigned long type;

	if (fstatfs(fd, &fs) == -1)
		return vm_error_errno(err, errno, "%s", path);
	type = (unsigned long)fs.f_type & 0xffffffff;
	for (size_t i = 0; i < sizeof(local_types) / sizeof(*local_types); i++)
		if (local_types[i] == type)
			return 0;
	for (size_t i = 0; i < sizeof(remote_types) / sizeof(*remote_types);
	     i++)
		if (remote_types[i].type == type)
			return vm_error_set(err, VM_E_DENIED, "bad_store",
			    "the store %s is on %s, not on a local file "
			    "system with locks and hard links",
			    path, remote_types[i].name);
	return vm_error_set(err, VM_E_DENIED, "bad_store",
	    "the store %s is on a file system not known to be local "
	    "(type 0x%lx)",
	    path, type);
}

int
vm_root_explain(int dirfd, const char *name, const char *path, int errnum,
    struct vm_error *err)
{
	struct stat st;

	if (errnum != ELOOP && errnum != ENOTDIR)
		return vm_error_errno(err, errnum, "the store %s", path);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode)) {
		vm_root_refuse(path, "is a symbolic link", err);
		return vm_error_hint(err, "readlink -f '%s', and give that",
		    path);
	}
	return vm_root_refuse(path, "is not a directory", err);
}
