/*
 * A disk image from outside: the whole of our own reader, on a file without a
 * name.  What ends in an odd byte is taken as it is.  Of the rest a small file
 * is made into one of its format: checksums are made right, and the pages of a
 * VHDX (seeds) go to where they belong, a MiB apart.
 */
#include <sys/mman.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/clean.h"
#include "lib/disk/inspect.h"
#include "lib/disk/layout.h"

#define CAP ((uint64_t)1 << 40)
#define PAGE ((size_t)4096)
#define TABLE ((size_t)65536)
#define MIB ((uint64_t)1 << 20)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
put(int fd, const void *data, size_t len, uint64_t offset)
{
	if (pwrite(fd, data, len, (off_t)offset) != (ssize_t)len)
		abort();
}

static uint32_t
crc32c(const unsigned char *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return htole32(~crc);
}

static void
make_vhdx(int fd, const unsigned char *data, size_t size)
{
	static const uint64_t places[] = { 0, TABLE, 2 * TABLE, 3 * TABLE,
		2 * MIB, 2 * MIB + TABLE, 3 * MIB };
	unsigned char page[TABLE];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t at = i * PAGE, left = size > at ? size - at : 0;
		size_t len = i == 3 ? TABLE : PAGE;
		uint32_t sum;

		memset(page, 0, sizeof(page));
		memcpy(page, data + (left > 0 ? at : 0),
		    left < PAGE ? left : PAGE);
		if (i > 0 && i < 4) {
			memset(page + 4, 0, 4);
			sum = crc32c(page, len);
			memcpy(page + 4, &sum, 4);
		}
		put(fd, page, len, places[i]);
		if (i == 3)
			put(fd, page, len, 4 * TABLE);
	}
	if (ftruncate(fd, 6 * MIB) == -1)
		abort();
}

static void
sum_bytes(unsigned char *data, size_t len, size_t at)
{
	uint32_t sum = 0;

	memset(data + at, 0, 4);
	for (size_t i = 0; i < len; i++)
		sum += data[i];
	sum = htobe32(~sum);
	memcpy(data + at, &sum, 4);
}

static void
make_vhd(int fd, const unsigned char *data, size_t size)
{
	unsigned char head[3 * 512] = { 0 };

	memcpy(head, data, size < sizeof(head) ? size : sizeof(head));
	sum_bytes(head, 512, 64);
	sum_bytes(head + 512, 1024, 36);
	put(fd, data, size, 0);
	put(fd, head, sizeof(head), 0);
	/* Room for a block in front of the copy at the end. */
	put(fd, head, 512, 2 * TABLE + (size & ~(size_t)511) + 512);
}

static void
make_file(int fd, const unsigned char *data, size_t size)
{
	bool as_it_is = size < 8 || data[size - 1] & 1;

	if (!as_it_is && memcmp(data, "vhdxfile", 8) == 0) {
		make_vhdx(fd, data, size);
		return;
	}
	if (!as_it_is && memcmp(data, "conectix", 8) == 0) {
		make_vhd(fd, data, size);
		return;
	}
	put(fd, data, size, 0);
	/* Room for blocks of a MiB. */
	if (!as_it_is && size > 68 && vm_le32(data, 64) == 0xbeda107f &&
	    ftruncate(fd, 4 * MIB) == -1)
		abort();
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_FD int fd = memfd_create("image", MFD_CLOEXEC);
	struct vm_inspect inspect = { 0 };
	struct vm_error err = { 0 };

	if (fd == -1)
		return 0;
	make_file(fd, data, size);
	if (vm_inspect_file(fd, CAP, &inspect, &err) == -1) {
		if (err.kind == VM_OK || err.kind == VM_E_BUG)
			abort();
		return 0;
	}
	if (inspect.virtual_size == 0 || inspect.virtual_size > CAP)
		abort();
	return 0;
}
