/*
 * A tar file that comes in small pieces: refused, or members with plain names
 * and just as many bytes as they are said to have.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/adapt/archive_tar.h"
#include "test/pull.h"

#define PIECE 700
#define ENOUGH ((uint64_t)64 << 20)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* 0: read, -1: refused or too long for a test. */
static int
read_member(struct vm_tar *tar, const struct vm_tar_member *member)
{
	uint64_t total = 0;
	const void *out;
	size_t len;

	if (member->name[0] == '\0' || member->name[0] == '/' ||
	    strncmp(member->name, "../", 3) == 0)
		abort();
	do {
		if (vm_tar_read(tar, &out, &len, NULL) == -1)
			return -1;
		total += len;
	} while (len > 0 && total < ENOUGH);
	if (len == 0 && total != member->size)
		abort();
	return len == 0 ? 0 : -1;
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct vm_tar *tar VM_CLEAN_TAR = NULL;
	struct test_memory source = { data, size, PIECE };
	struct vm_tar_member member;

	tar = vm_tar_open(test_pull_memory, &source, NULL);
	if (tar == NULL)
		return 0;
	while (vm_tar_next(tar, &member, NULL) == 1)
		if (read_member(tar, &member) == -1)
			break;
	return 0;
}
