#include "lib/store/store_input.h"

struct lazy {
	const char *root;
	struct vm_store **store;
	vm_input_resolve *resolve;
};

static struct vm_json *
resolve(void *context, const char *name, struct vm_error *err)
{
	const struct lazy *lazy = context;

	if (*lazy->store == NULL)
		*lazy->store = vm_store_open(lazy->root, false, err);
	if (*lazy->store == NULL)
		return NULL;
	return lazy->resolve(*lazy->store, name, err);
}

int
vm_store_read_input(const struct vm_input *input, const char *root,
    const char *tool, struct vm_store **store, struct vm_records *records,
    struct vm_error *err)
{
	struct lazy lazy = { root, store, input->resolve };
	struct vm_input ours = *input;
	bool work = false;

	ours.context = &lazy;
	if (input->resolve != NULL)
		ours.resolve = resolve;
	if (vm_input_read(&ours, tool, records, err) == -1)
		return -1;
	for (size_t i = 0; i < records->count && !work; i++)
		work = !vm_record_is_failed(records->items[i]);
	if (!work)
		return 0;
	if (*store == NULL)
		*store = vm_store_open(root, false, err);
	return *store != NULL ? 1 : -1;
}
