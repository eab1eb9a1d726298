#include <stdlib.h>
#include <string.h>

#include "lib/view/view_sort.h"

struct order {
	const char *field;
	bool descending;
};

static bool
is_number(const struct vm_json *value)
{
	return vm_json_type(value) == VM_JSON_INT ||
	    vm_json_type(value) == VM_JSON_REAL;
}

static int
compare_values(const struct vm_json *a, const struct vm_json *b,
    const struct vm_json *in_a, const struct vm_json *in_b, const char *field)
{
	if (is_number(a) && is_number(b)) {
		double x = vm_json_real(in_a, field, 0);
		double y = vm_json_real(in_b, field, 0);

		return (x > y) - (x < y);
	}
	if (vm_json_text(a) != NULL && vm_json_text(b) != NULL)
		return strverscmp(vm_json_text(a), vm_json_text(b));
	return (vm_json_count(a) > vm_json_count(b)) -
	    (vm_json_count(a) < vm_json_count(b));
}

static int
compare_field(const struct vm_json *a, const struct vm_json *b,
    const struct order *order)
{
	const struct vm_json *value_a = vm_json_get(a, order->field);
	const struct vm_json *value_b = vm_json_get(b, order->field);
	int result;

	if (value_a == NULL || value_b == NULL)
		return (value_a == NULL) - (value_b == NULL);
	result = compare_values(value_a, value_b, a, b, order->field);
	return order->descending ? -result : result;
}

static int
compare(const void *left, const void *right, void *arg)
{
	const struct vm_json *a = *(struct vm_json *const *)left;
	const struct vm_json *b = *(struct vm_json *const *)right;
	const struct order *order = arg;
	int result = compare_field(a, b, order);

	if (result != 0)
		return result;
	return strverscmp(vm_json_string(a, "name", ""),
	    vm_json_string(b, "name", ""));
}

void
vm_view_sort(struct vm_records *records, const char *field, bool descending)
{
	struct order order = { field != NULL ? field : "name", descending };

	if (records->count > 1)
		qsort_r(records->items, records->count, sizeof(*records->items),
		    compare, &order);
}
