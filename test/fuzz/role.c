/*
 * A record's spec, which any program may have edited: refused, or brought into
 * a normal form that is accepted again and stays as it is.
 */
#include <stdlib.h>

#include "lib/record/manifest.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_JSON struct vm_json *role = NULL, *once = NULL;
	struct vm_error err = { 0 };

	role = vm_json_parse((const char *)data, size, &err);
	if (role == NULL || vm_manifest_check_role(role, &err) == -1)
		return 0;
	once = vm_json_copy(role);
	if (once == NULL || vm_manifest_check_role(role, &err) == -1 ||
	    !vm_json_is_equal(once, role))
		abort();
	return 0;
}
