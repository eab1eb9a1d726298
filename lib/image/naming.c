#include "lib/image/naming.h"

#include <stdlib.h>
#include <string.h>

#include "lib/adapt/json.h"
#include "lib/base/buf.h"
#include "lib/store/alias.h"

bool
vm_naming_is_taken(struct vm_store *store, const struct vm_source *source,
    const char *name)
{
	struct vm_json *json VM_CLEAN_JSON = vm_alias_load(store, name, NULL);

	return json != NULL &&
	    strcmp(vm_json_string(json, "source", ""), source->shown) != 0;
}

/* A name of its own for a source: its file's, made unique if that is taken. */
static char *
make_name(struct vm_store *store, const struct vm_source *source,
    struct vm_error *err)
{
	char *name VM_CLEAN_FREE = vm_source_name(source, err);
	char hex[VM_HASH_SHA256_HEX];

	if (name == NULL || !vm_naming_is_taken(store, source, name))
		return VM_TAKE(name);
	if (vm_hash_sha256(source->shown, strlen(source->shown), hex, err) ==
	    -1)
		return NULL;
	return vm_buf_printf(err, "%s-%.6s", name, hex);
}

char *
vm_naming_find(struct vm_store *store, const struct vm_source *source,
    const char *wanted, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	char *name VM_CLEAN_FREE = NULL;

	if (source->kind == VM_SOURCE_STDIN && wanted == NULL) {
		vm_error_set(err, VM_E_USAGE, "usage",
		    "an image from stdin needs a name: -a NAME");
		return NULL;
	}
	if (wanted != NULL) {
		name = vm_buf_printf(err, "%s", wanted);
	} else {
		name = vm_alias_of_source(store, source->shown, &failure);
		if (name == NULL && vm_error_is_set(&failure)) {
			if (err != NULL)
				*err = failure;
			return NULL;
		}
		if (name == NULL)
			name = make_name(store, source, err);
	}
	return name == NULL || vm_alias_check_name(name, err) == -1 ?
	    NULL :
	    VM_TAKE(name);
}
