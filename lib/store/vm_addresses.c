#include <string.h>

#include "lib/store/vm.h"

/* One VM of the service: where it belongs and how it is reached. */
struct place {
	struct vm_json *record;
	const char *role;
	const char *address;
	int64_t index;
};

static int
compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return strcmp(vm_json_string(x->record, "name", ""),
	    vm_json_string(y->record, "name", ""));
}

/* The first address that is known, or NULL. */
static const char *
find_address(const struct vm_json *record)
{
	const struct vm_json *nics = vm_json_get(record, "identity.nics");

	for (size_t i = 0; i < vm_json_count(nics); i++) {
		const char *address = vm_json_string(vm_json_at(nics, i),
		    "address", "");

		if (address[0] != '\0')
			return address;
	}
	return NULL;
}

static bool
is_of(const struct vm_json *record, const char *service, struct place *place)
{
	place->role = vm_json_string(record, "role", NULL);
	place->address = find_address(record);
	place->index = vm_json_int(record, "index", 0);
	return place->role != NULL && place->address != NULL &&
	    strcmp(vm_json_string(record, "service", ""), service) == 0;
}

/* "10.0.0.1/24" is added to its role as "10.0.0.1". */
static int
add(struct vm_json *roles, const struct place *place, struct vm_error *err)
{
	struct vm_json *list = vm_json_member(roles, place->role);

	if (list == NULL) {
		if (vm_json_set_member(roles, place->role, vm_json_new_array(),
			err) == -1)
			return -1;
		list = vm_json_member(roles, place->role);
	}
	return vm_json_append(list,
	    vm_json_new_string_len(place->address,
		strcspn(place->address, "/")),
	    err);
}

/* Records of the service into places, which own them. */
static int
collect(struct vm_store *store, const char *service, char **names,
    struct place *places, size_t *count, struct vm_error *err)
{
	for (size_t i = 0; names[i] != NULL; i++) {
		VM_CLEAN_JSON struct vm_json *record = NULL;
		struct vm_error failure = { 0 };
		struct place *place = &places[*count];

		record = vm_vm_load(store, names[i], false, &failure);
		/* removed meanwhile, damaged, no VM's name: has no address */
		if (record == NULL && failure.kind != VM_E_NO_INPUT &&
		    failure.kind != VM_E_DATA && failure.kind != VM_E_CONFIG &&
		    failure.kind != VM_E_USAGE) {
			if (err != NULL)
				*err = failure;
			return -1;
		}
		if (record == NULL || !is_of(record, service, place))
			continue;
		place->record = VM_TAKE(record);
		++*count;
	}
	return 0;
}

struct vm_json *
vm_vm_addresses(struct vm_store *store, const char *service,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_VMS, err);
	VM_CLEAN_JSON struct vm_json *roles = vm_json_new_object();
	VM_CLEAN_FREE struct place *places = NULL;
	size_t room = 0, count = 0;
	int result;

	while (names != NULL && names[room] != NULL)
		room++;
	places = calloc(room + 1, sizeof(*places));
	if (names == NULL)
		return NULL;
	if (places == NULL || roles == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	result = collect(store, service, names, places, &count, err);
	qsort(places, count, sizeof(*places), compare_places);
	for (size_t i = 0; i < count && result == 0; i++)
		result = add(roles, &places[i], err);
	for (size_t i = 0; i < count; i++)
		vm_json_free(places[i].record);
	return result == -1 ? NULL : VM_TAKE(roles);
}
