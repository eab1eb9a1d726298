#include "lib/image/further.h"

#include "lib/base/proc.h"
#include "lib/image/outcome.h"

/* What became of each alias. */
struct further {
	struct vm_json *done; /* {ALIAS: the record of a failure, or null} */
	int (*fetch)(void *context, const char *alias, struct vm_error *err);
	void *context;
};

/* Fetch it, unless that was done; the record that says how, or null. */
static const struct vm_json *
fetch_once(struct further *further, const char *alias, struct vm_error *err)
{
	const struct vm_json *known = vm_json_member(further->done, alias);
	VM_CLEAN_JSON struct vm_json *outcome = NULL;
	struct vm_error failure = { 0 };

	if (known != NULL)
		return known;
	if (further->fetch(further->context, alias, &failure) == 0) {
		outcome = vm_json_new_null();
	} else {
		outcome = vm_record_new("image", err);
		if (outcome == NULL ||
		    vm_record_fail(outcome, VM_IMAGE_TOOL, &failure, err) == -1)
			return NULL;
	}
	if (vm_json_set_member(further->done, alias, VM_TAKE(outcome), err) ==
	    -1)
		return NULL;
	return vm_json_member(further->done, alias);
}

static int
fetch_disk(struct further *further, const struct vm_json *disk,
    struct vm_json *record, struct vm_error *err)
{
	const char *alias = vm_json_string(disk, "image", NULL);
	const struct vm_json *outcome;
	struct vm_error failure = { 0 };

	if (alias == NULL)
		return 0;
	if (vm_proc_check_stop(err) == -1 ||
	    (outcome = fetch_once(further, alias, err)) == NULL)
		return -1;
	if (vm_record_failure(outcome, VM_IMAGE_TOOL, &failure) == 0)
		return 0;
	vm_error_wrap(&failure, "disk %s", vm_json_string(disk, "name", ""));
	return vm_record_fail(record, VM_IMAGE_TOOL, &failure, err);
}

int
vm_further_fetch(struct vm_jobs *jobs,
    int (*fetch)(void *context, const char *alias, struct vm_error *err),
    void *context, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *done = vm_json_new_object();
	struct further further = { done, fetch, context };

	if (done == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < jobs->count; i++) {
		struct vm_json *record = jobs->items[i].record;
		const struct vm_json *disks = vm_json_get(record, "spec.disks");

		for (size_t j = 0; j < vm_json_count(disks); j++)
			if (!vm_record_is_failed(record) &&
			    fetch_disk(&further, vm_json_at(disks, j), record,
				err) == -1)
				return -1;
	}
	return 0;
}
