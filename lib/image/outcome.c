#include "lib/image/outcome.h"

#include "lib/image/siblings.h"

static int
set_image(struct vm_json *record, const struct vm_fetched *fetched, uint64_t ms,
    struct vm_error *err)
{
	const struct vm_alias *alias = &fetched->alias;

	if (alias->name[0] != '\0' &&
	    vm_json_set_string(record, "image.alias", alias->name, err) == -1)
		return -1;
	if (fetched->absent)
		return vm_record_step(record, "absent", NULL, -1, err);
	if (vm_json_set_string(record, "image.id", alias->id, err) == -1 ||
	    (alias->generation > 0 &&
		vm_json_set_int(record, "image.generation", alias->generation,
		    err) == -1) ||
	    vm_json_set_int(record, "image.virtual_size",
		(int64_t)fetched->virtual_size, err) == -1)
		return -1;
	return vm_record_step(record, "fetched", "fetch", (long long)ms, err);
}

int
vm_outcome_note(struct vm_store *store, const struct vm_fetched *fetched,
    const struct vm_json *facts, uint64_t ms, struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_alias *alias = &fetched->alias;

	if (set_image(record, fetched, ms, err) == -1)
		return -1;
	if (facts != NULL &&
	    vm_siblings_describe(store, facts, alias->name, record, err) == -1)
		return -1;
	if (vm_json_get(record, "spec") != NULL)
		return 0;
	return vm_json_set_string(record, "spec.image.source",
	    alias->name[0] != '\0' ? alias->name : alias->id, err);
}

int
vm_outcome_copy(const struct vm_json *from, struct vm_json *record,
    struct vm_error *err)
{
	struct vm_json *image = vm_json_get(from, "image");
	struct vm_error failure = { 0 };

	if (vm_record_failure(from, VM_IMAGE_TOOL, &failure) == 1)
		return vm_record_fail(record, VM_IMAGE_TOOL, &failure, err);
	if (vm_json_set(record, "image", vm_json_copy(image), err) == -1)
		return -1;
	return vm_record_step(record, vm_json_string(from, "state", "fetched"),
	    "fetch", 0, err);
}
