/*
 * A whole manifest: refused with a position in each message, or put in an
 * order in which every role stands after those that it waits for.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/record/manifest.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool
is_before(const struct vm_json *order, size_t end, const char *role)
{
	for (size_t i = 0; i < end; i++) {
		if (strcmp(vm_json_text(vm_json_at(order, i)), role) == 0)
			return true;
	}
	return false;
}

static void
check_order(const struct vm_manifest *manifest)
{
	VM_CLEAN_JSON struct vm_json *order = NULL;
	const struct vm_json *roles = vm_json_get(manifest->json, "roles");
	const struct vm_json *after;

	order = vm_manifest_order(manifest, NULL);
	if (vm_json_count(order) != vm_json_count(roles))
		abort();
	for (size_t i = 0; i < vm_json_count(order); i++) {
		after = vm_json_get(vm_json_member(roles,
					vm_json_text(vm_json_at(order, i))),
		    "after");
		for (size_t j = 0; j < vm_json_count(after); j++) {
			if (!is_before(order, i,
				vm_json_text(vm_json_at(after, j))))
				abort();
		}
	}
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_MANIFEST struct vm_manifest manifest = { 0 };
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	struct vm_error err = { 0 };

	/* a text has no NUL; the reader's own check is yaml.c's */
	if (memchr(data, '\0', size) != NULL ||
	    vm_buf_add(&text, data, size, &err) == -1 || text.data == NULL)
		return 0;
	if (vm_manifest_parse("f", ".", text.data, &manifest, &err) == 0)
		check_order(&manifest);
	else if (err.kind != VM_E_DATA || strncmp(err.message, "f:", 2) != 0)
		abort();
	return 0;
}
