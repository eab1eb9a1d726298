#include "lib/image/present.h"

#include <string.h>

#include "lib/base/log.h"

struct vm_json *
vm_present_load(struct vm_store *store, const char *id, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	struct vm_json *facts = vm_image_load(store, id, &failure);

	if (facts != NULL || failure.kind == VM_E_NO_INPUT)
		return facts;
	if (failure.kind == VM_E_DATA)
		vm_log(VM_LOG_WARN, "%s; fetching it anew", failure.message);
	else if (err != NULL)
		*err = failure;
	return NULL;
}

int
vm_present_find(struct vm_store *store, const char *sha512, char *id,
    struct vm_error *err)
{
	char **names VM_CLEAN_NAMES = vm_store_list(store, VM_STORE_IMAGES,
	    err);

	if (names == NULL)
		return -1;
	for (char **name = names; *name != NULL; name++) {
		struct vm_json *facts VM_CLEAN_JSON = vm_image_load(store,
		    *name, NULL);

		if (strcmp(vm_json_string(facts, "sha512", ""), sha512) != 0)
			continue;
		snprintf(id, VM_IMAGE_ID + 8, "%s", *name);
		return 1;
	}
	return 0;
}
