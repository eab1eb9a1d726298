/*
 * A disk of the store whose tables are anything: opened, mapped, read, checked
 * and written.  What our check has passed stays sound when it is written, and
 * holds what was written.
 */
#include <sys/mman.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/disk/overlay.h"

#define PIECE 5000
#define PIECES 6

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
expect(bool holds)
{
	if (!holds)
		abort();
}

/* A directory with the files that a disk may name. */
static int
base_dir(void)
{
	static int dir = -1;
	char path[] = "/tmp/vmpipe-fuzz-XXXXXX";
	VM_CLEAN_FD int fd = -1;

	if (dir != -1)
		return dir;
	expect(mkdtemp(path) != NULL);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(dir, "base", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	expect(pwrite(fd, path, sizeof(path), 3000) == sizeof(path) &&
	    ftruncate(fd, 20480) == 0);
	return dir;
}

/* Where the i-th piece lies: at the disk's ends, and in between. */
static uint64_t
place(const struct vm_overlay *disk, int i, uint64_t *len)
{
	uint64_t size = vm_overlay_size(disk);
	uint64_t at = i == 0 ? 0 : size / PIECES * (uint64_t)i + 77;

	if (i == PIECES - 1)
		at = size - (size < PIECE ? size : PIECE);
	*len = size - at < PIECE ? size - at : PIECE;
	return at;
}

static bool
look(struct vm_overlay *disk)
{
	unsigned char data[PIECE];
	struct vm_overlay_check check;
	struct vm_overlay_extent extent;
	struct vm_error err = { 0 };
	uint64_t at = 0, len;

	for (int n = 0; n < 2000 && at < vm_overlay_size(disk); n++) {
		if (vm_overlay_map(disk, at, vm_overlay_size(disk) - at,
			&extent, &err) == -1)
			break;
		expect(extent.offset == at && extent.len > 0 &&
		    extent.len <= vm_overlay_size(disk) - at &&
		    extent.depth < vm_overlay_depth(disk));
		at += extent.len;
	}
	for (int i = 0; i < PIECES; i++) {
		at = place(disk, i, &len);
		if (vm_overlay_read(disk, data, len, at, &err) == -1)
			expect(err.kind == VM_E_DATA);
	}
	if (vm_overlay_check(disk, &check, &err) == 0)
		return true;
	expect(err.kind == VM_E_DATA);
	return false;
}

/* Everything that can be written is; whether it is there afterwards? */
static bool
change(struct vm_overlay *disk)
{
	unsigned char data[PIECE];
	struct vm_error err = { 0 };
	uint64_t len;

	for (int i = 0; i < PIECES; i++) {
		uint64_t at = place(disk, i, &len);

		memset(data, 'a' + i, sizeof(data));
		if (vm_overlay_write(disk, data, len, at, &err) == -1)
			return false;
	}
	return vm_overlay_flush(disk, &err) == 0;
}

static void
expect_changed(struct vm_overlay *disk)
{
	unsigned char data[PIECE];
	struct vm_overlay_check check;
	struct vm_error err = { 0 };
	uint64_t len;

	expect(vm_overlay_check(disk, &check, &err) == 0);
	for (int i = PIECES - 1; i >= 0; i--) {
		uint64_t at = place(disk, i, &len);

		if (i < PIECES - 1 && vm_overlay_size(disk) < PIECES * PIECE)
			continue; /* they may overlap */
		expect(vm_overlay_read(disk, data, len, at, &err) == 0);
		for (uint64_t k = 0; k < len; k++)
			expect(data[k] == 'a' + i);
	}
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_FD int fd = memfd_create("disk", MFD_CLOEXEC);
	VM_CLEAN_OVERLAY struct vm_overlay *disk = NULL, *again = NULL;
	struct vm_error err = { 0 };
	bool is_sound;

	expect(pwrite(fd, data, size, 0) == (ssize_t)size);
	disk = vm_overlay_open_fd(fd, base_dir(), "qcow2", VM_OVERLAY_READ,
	    &err);
	if (disk == NULL)
		return 0;
	is_sound = look(disk);
	vm_overlay_close(&disk);
	disk = vm_overlay_open_fd(fd, base_dir(), "qcow2", VM_OVERLAY_WRITE,
	    &err);
	if (disk == NULL)
		return 0;
	if (!change(disk) || !is_sound)
		return 0;
	again = vm_overlay_open_fd(fd, base_dir(), "qcow2", VM_OVERLAY_READ,
	    &err);
	expect(again != NULL);
	expect_changed(again);
	return 0;
}
