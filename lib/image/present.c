#include "lib/image/present.h"

#include <string.h>

#include "lib/base/log.h"
#include "lib/image/siblings.h"

struct vm_json *
vm_present_load(struct vm_store *store, const char *id, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	struct vm_json *facts = vm_image_load(store, id, &failure);

	if (facts != NULL && !vm_siblings_are_there(store, facts)) {
		vm_json_free(VM_TAKE(facts));
		vm_error_set(&failure, VM_E_DATA, "image_damaged",
		    "image %s: another disk of the same artifact is missing",
		    id);
	}
	if (facts != NULL || failure.kind == VM_E_NO_INPUT)
		return facts;
	if (failure.kind == VM_E_DATA)
		vm_log(VM_LOG_WARN, "%s; fetching it anew", failure.message);
	else if (err != NULL)
		*err = failure;
	return NULL;
}

static int
find_sha256(struct vm_store *store, const char *hex, char *id,
    struct vm_error *err)
{
	for (int several = 0; several < 2; several++) {
		struct vm_json *facts VM_CLEAN_JSON = NULL;

		snprintf(id, VM_IMAGE_ID + 8, "%.64s%s", hex,
		    several ? "-1" : "");
		facts = vm_present_load(store, id, err);
		if (facts != NULL)
			return 1;
		if (vm_error_is_set(err))
			return -1;
	}
	return 0;
}

static int
find_sha512(struct vm_store *store, const char *hex, char *id,
    struct vm_error *err)
{
	char **names VM_CLEAN_NAMES = vm_store_list(store, VM_STORE_IMAGES,
	    err);

	if (names == NULL)
		return -1;
	for (char **name = names; *name != NULL; name++) {
		struct vm_json *facts VM_CLEAN_JSON = vm_image_load(store,
		    *name, NULL);

		if (strcmp(vm_json_string(facts, "sha512", ""), hex) != 0 ||
		    vm_json_int(facts, "disk", 1) != 1 ||
		    !vm_siblings_are_there(store, facts))
			continue;
		snprintf(id, VM_IMAGE_ID + 8, "%s", *name);
		return 1;
	}
	return 0;
}

int
vm_present_find(struct vm_store *store, enum vm_hash_type type,
    const char *digest, char *id, struct vm_error *err)
{
	return type == VM_HASH_SHA512 ? find_sha512(store, digest, id, err) :
					find_sha256(store, digest, id, err);
}
