#include "lib/reclaim/twins.h"

#include <string.h>

#include "lib/base/log.h"
#include "lib/record/record.h"
#include "lib/store/vm.h"

/* One card of one VM; the strings are those of its record. */
struct card {
	const char *address, *network, *name;
	bool is_back;
};

struct cards {
	struct card *items;
	size_t count;
};

static int
compare_cards(const void *a, const void *b)
{
	const struct card *x = a, *y = b;
	int order = strcmp(x->address, y->address);

	return order != 0 ? order : strcmp(x->network, y->network);
}

static int
add_cards(struct cards *cards, const struct vm_json *record, bool is_back,
    struct vm_error *err)
{
	const struct vm_json *nics = vm_json_get(record, "identity.nics");
	size_t count = vm_json_count(nics);
	struct card *grown;

	if (count == 0)
		return 0;
	grown = reallocarray(cards->items, cards->count + count,
	    sizeof(*grown));
	if (grown == NULL)
		return vm_error_nomem(err);
	cards->items = grown;
	for (size_t i = 0; i < count; i++) {
		const struct vm_json *nic = vm_json_at(nics, i);
		const char *address = vm_json_string(nic, "address", "");

		if (address[0] == '\0')
			continue;
		cards->items[cards->count++] = (struct card){
			.address = address,
			.network = vm_json_string(nic, "network", ""),
			.name = vm_json_string(record, "name", ""),
			.is_back = is_back,
		};
	}
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static bool
is_among(const char *name, const char *const *sorted, size_t count)
{
	return bsearch(&name, sorted, count, sizeof(*sorted), compare_names) !=
	    NULL;
}

/* Every VM's cards; records keeps their strings. */
static int
collect(struct vm_store *store, const char *const *back, size_t count,
    struct vm_records *records, struct cards *cards, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_VMS, err);

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		/* a damaged one, or one just removed, has no address */
		struct vm_json *record = vm_vm_load(store, names[i], false,
		    NULL);

		if (record == NULL)
			continue;
		if (vm_records_add(records, record, err) == -1 ||
		    add_cards(cards, record, is_among(names[i], back, count),
			err) == -1)
			return -1;
	}
	return 0;
}

static void
complain(const struct card *a, const struct card *b)
{
	if ((!a->is_back && !b->is_back) || compare_cards(a, b) != 0 ||
	    strcmp(a->name, b->name) == 0)
		return;
	vm_log(VM_LOG_WARN,
	    "%s: its address is now that of %s as well: do not run both",
	    a->is_back ? a->name : b->name, a->is_back ? b->name : a->name);
}

int
vm_twins_warn(struct vm_store *store, const char *const *names, size_t count,
    struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_FREE const char **back = calloc(count + 1, sizeof(*back));
	struct cards cards = { 0 };
	int result;

	if (back == NULL)
		return vm_error_nomem(err);
	memcpy(back, names, count * sizeof(*back));
	qsort(back, count, sizeof(*back), compare_names);
	result = collect(store, back, count, &records, &cards, err);
	if (result == 0 && cards.count > 1) {
		qsort(cards.items, cards.count, sizeof(*cards.items),
		    compare_cards);
		for (size_t i = 1; i < cards.count; i++)
			complain(&cards.items[i - 1], &cards.items[i]);
	}
	free(cards.items);
	return result;
}
