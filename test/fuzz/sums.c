/*
 * A publisher's file of checksums: refused, or one digest in lower case.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/source/sums.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct vm_sums sums = { 0 };
	struct vm_error err = { 0 };
	size_t len;

	if (vm_sums_find((const char *)data, size, "box", &sums, &err) == -1) {
		if (err.kind != VM_E_DATA || sums.hex[0] != '\0')
			abort();
		return 0;
	}
	len = strlen(sums.hex);
	if (len != (sums.type == VM_HASH_SHA256 ? 64 : 128) ||
	    strspn(sums.hex, "0123456789abcdef") != len)
		abort();
	return 0;
}
