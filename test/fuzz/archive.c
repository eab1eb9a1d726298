/*
 * A download, packed in any way, that comes in small pieces.
 */
#include <stdlib.h>

#include "lib/image/unpack.h"
#include "test/pull.h"

#define PIECE 512
#define ENOUGH ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_UNPACK struct vm_unpack unpack = { 0 };
	struct test_memory source = { data, size, PIECE };
	struct vm_error err = { 0 };
	const void *out;
	size_t len, total = 0;

	if (vm_unpack_open(&unpack, test_pull_memory, &source, &err) == -1)
		return 0;
	while (total < ENOUGH) {
		if (vm_unpack_read(&unpack, &out, &len, &err) == -1)
			return 0;
		if (len == 0)
			break;
		total += len;
	}
	return 0;
}
