/* drive.c - see drive.h. */
#include "lib/host/drive.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/disk/backing.h"
#include "lib/store/chain.h"
#include "lib/store/lineage.h"
#include "lib/store/vm.h"

#define SERIAL_MAX 20 /* VIRTIO_BLK_ID_BYTES */

/* One disk: its files, the writable top first. */
struct drive {
	struct vm_backing files[VM_CHAIN_MAX];
	size_t count;
};

static int
fail(struct vm_error *err, const char *file, const char *what)
{
	return vm_error_set(err, VM_E_DATA, "bad_chain", "disk: %s %s", file,
	    what);
}

/* Our names are digests and such; no other may stand in QEMU's options. */
static bool
is_plain(const char *file)
{
	return file[0] != '.' &&
	    file[strspn(file,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._-")] == '\0';
}

/* Is it there, of the right kind, and (a base) sealed? */
static int
check_file(int dir_fd, const char *file, bool is_top, struct vm_backing *below,
    const char *format, struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_fd_open_regular(dir_fd, file, err);
	struct stat st;

	if (fd == -1)
		return vm_error_wrap(err, "disk");
	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "disk: %s", file);
	if (!is_top && (st.st_mode & 0222) != 0)
		return fail(err, file, "is a base, yet not read-only");
	*below = (struct vm_backing){ .file = "" };
	if (strcmp(format, "qcow2") == 0 &&
	    vm_backing_read(fd, below, err) == -1)
		return vm_error_wrap(err, "disk: %s", file);
	return 0;
}

/* Follow the chain from the top, one name at a time. */
static int
read_drive(int dir_fd, const char *file, const char *format,
    struct drive *drive, struct vm_error *err)
{
	struct vm_backing at = { .file = "" }, below;

	if (snprintf(at.file, sizeof(at.file), "%s", file) >=
		(int)sizeof(at.file) ||
	    (strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0))
		return fail(err, file, "is of no known format");
	snprintf(at.format, sizeof(at.format), "%s", format);
	for (drive->count = 0; at.file[0] != '\0'; at = below) {
		if (drive->count == VM_CHAIN_MAX)
			return fail(err, file, "stands on too many files");
		if (!is_plain(at.file))
			return fail(err, at.file, "is no name of ours");
		if (check_file(dir_fd, at.file, drive->count == 0, &below,
			at.format, err) == -1)
			return -1;
		drive->files[drive->count++] = at;
	}
	return 0;
}

/* No header leads to a file that the VM was not built on. */
static int
check_lineage(const struct drive *drive, const struct vm_json *record,
    struct vm_error *err)
{
	size_t i;

	for (i = 1; i < drive->count; i++)
		if (!vm_lineage_has(record, drive->files[i].file))
			return fail(err, drive->files[i].file,
			    "is not what the VM was built on");
	return 0;
}

/* The master at the bottom must be the one of the record. */
static int
check_master(const struct drive *drive, const char *id, struct vm_error *err)
{
	const char *lowest = drive->files[drive->count - 1].file;
	size_t len;

	if (id == NULL || drive->count < 2)
		return 0;
	len = strlen(id);
	if (strncmp(lowest, id, len) != 0 || strcmp(lowest + len, ".raw") != 0)
		return fail(err, lowest, "is not the image of the record");
	return 0;
}

/* -blockdev for one file of the chain, under the name "disk0", "disk0-1"... */
static int
add_node(struct vm_argv *argv, const struct drive *drive, size_t disk, size_t i,
    struct vm_error *err)
{
	const struct vm_backing *file = &drive->files[i];
	char name[64], below[80] = "";
	bool is_top = i == 0;

	snprintf(name, sizeof(name), is_top ? "disk%zu" : "disk%zu-%zu", disk,
	    i);
	if (i + 1 < drive->count)
		snprintf(below, sizeof(below), ",\"backing\":\"disk%zu-%zu\"",
		    disk, i + 1);
	else if (strcmp(file->format, "qcow2") == 0)
		snprintf(below, sizeof(below), ",\"backing\":null");
	if (vm_argv_option(argv, err, "-blockdev",
		"{\"driver\":\"file\",\"node-name\":\"%s-file\","
		"\"filename\":\"%s\",\"locking\":\"auto\","
		"\"read-only\":%s,\"discard\":\"unmap\"}",
		name, file->file, is_top ? "false" : "true") == -1)
		return -1;
	return vm_argv_option(argv, err, "-blockdev",
	    "{\"driver\":\"%s\",\"node-name\":\"%s\",\"file\":\"%s-file\","
	    "\"read-only\":%s,\"discard\":\"unmap\"%s}",
	    file->format, name, name, is_top ? "false" : "true", below);
}

/*
 * The VM boots from the first one.  The others are told apart by their serial
 * numbers: Linux has them as /dev/disk/by-id/virtio-NAME.
 */
static int
add_drive(struct vm_argv *argv, const struct drive *drive, size_t disk,
    const char *name, struct vm_error *err)
{
	size_t i;

	for (i = drive->count; i-- > 0;) {
		if (add_node(argv, drive, disk, i, err) == -1)
			return -1;
	}
	if (disk == 0)
		return vm_argv_option(argv, err, "-device",
		    "virtio-blk-pci,drive=disk0,bootindex=1");
	if (strlen(name) > SERIAL_MAX || !is_plain(name))
		return fail(err, name, "is no name of a disk");
	return vm_argv_option(argv, err, "-device",
	    "virtio-blk-pci,drive=disk%zu%s%s", disk,
	    *name != '\0' ? ",serial=" : "", name);
}

static int
add_disk(struct vm_argv *argv, const struct vm_json *record, int dir_fd,
    size_t i, struct vm_error *err)
{
	const struct vm_json *disk = vm_json_at(vm_json_get(record, "disks"),
	    i);
	const char *id = i == 0 ? vm_json_string(record, "image.id", NULL) :
				  vm_json_string(disk, "image", NULL);
	struct drive drive;

	if (read_drive(dir_fd, vm_vm_disk_file(disk),
		vm_json_string(disk, "format", ""), &drive, err) == -1 ||
	    check_lineage(&drive, record, err) == -1 ||
	    check_master(&drive, id, err) == -1)
		return -1;
	return add_drive(argv, &drive, i, vm_json_string(disk, "name", ""),
	    err);
}

int
vm_drive_add(struct vm_argv *argv, const struct vm_json *record, int dir_fd,
    struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(record, "disks");
	size_t i;

	if (vm_json_count(disks) == 0)
		return vm_error_set(err, VM_E_DATA, "bad_record",
		    "the record has no disks");
	for (i = 0; i < vm_json_count(disks); i++)
		if (add_disk(argv, record, dir_fd, i, err) == -1)
			return err == NULL || err->kind != VM_E_DATA ?
			    -1 :
			    vm_error_hint(err, "vmdoctor --repair %s",
				vm_json_string(record, "name", ""));
	return 0;
}
