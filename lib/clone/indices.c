#include "lib/clone/indices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"

static int
fail(const char *text, const char *why, struct vm_error *err)
{
	char safe[120];

	return vm_error_set(err, VM_E_USAGE, "bad_index", "--index \"%s\": %s",
	    vm_log_escape(text, safe, sizeof(safe)), why);
}

/* Digits at *at, which moves behind them; 0 when they are no index. */
static long long
parse_number(const char **at)
{
	long long number = 0;

	for (; **at >= '0' && **at <= '9'; ++*at) {
		number = 10 * number + (**at - '0');
		if (number > VM_INDICES_MAX)
			return 0;
	}
	return number;
}

static int
compare(const void *a, const void *b)
{
	const long long *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The range first..last goes behind what is there. */
static int
add_range(struct vm_indices *indices, const char *text, long long first,
    long long last, struct vm_error *err)
{
	size_t count = indices->count + (size_t)(last - first + 1);
	long long *items;

	if (count > VM_INDICES_COUNT)
		return fail(text, "more than 100000 of them", err);
	items = realloc(indices->items, count * sizeof(*items));
	if (items == NULL)
		return vm_error_nomem(err);
	indices->items = items;
	while (first <= last)
		items[indices->count++] = first++;
	return 0;
}

static int
check_twice(const struct vm_indices *indices, const char *text,
    struct vm_error *err)
{
	char why[48];
	size_t i;

	for (i = 1; i < indices->count; i++) {
		if (indices->items[i] != indices->items[i - 1])
			continue;
		snprintf(why, sizeof(why), "%lld is in it twice",
		    indices->items[i]);
		return fail(text, why, err);
	}
	return 0;
}

int
vm_indices_parse(const char *text, struct vm_indices *indices,
    struct vm_error *err)
{
	VM_CLEAN_INDICES struct vm_indices found = { 0 };
	const char *at = text;
	long long first, last;

	do {
		at += at != text; /* the comma */
		first = last = parse_number(&at);
		if (first > 0 && *at == '-') {
			at++;
			last = parse_number(&at);
		}
		if (first == 0 || last == 0 || (*at != ',' && *at != '\0'))
			return fail(text,
			    "numbers from 1 to 999999 and ranges, like 3-7,9",
			    err);
		if (last < first)
			return fail(text, "a range that ends before it begins",
			    err);
		if (add_range(&found, text, first, last, err) == -1)
			return -1;
	} while (*at != '\0');
	qsort(found.items, found.count, sizeof(*found.items), compare);
	if (check_twice(&found, text, err) == -1)
		return -1;
	*indices = found;
	found = (struct vm_indices){ 0 };
	return 0;
}

int
vm_indices_take(const struct vm_json *list, struct vm_indices *indices,
    struct vm_error *err)
{
	size_t count = vm_json_count(list), i;
	VM_CLEAN_INDICES struct vm_indices found = {
		.items = calloc(count + 1, sizeof(*found.items))
	};
	char key[32];

	if (found.items == NULL)
		return vm_error_nomem(err);
	for (i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "%zu", i);
		found.items[i] = vm_json_int(list, key, 0);
		if (found.items[i] < 1 || found.items[i] > VM_INDICES_MAX)
			return vm_error_set(err, VM_E_DATA, "bad_record",
			    "indices: numbers from 1 to %d", VM_INDICES_MAX);
	}
	found.count = count;
	*indices = found;
	found = (struct vm_indices){ 0 };
	return 0;
}

void
vm_indices_release(struct vm_indices *indices)
{
	free(indices->items);
	indices->items = NULL;
	indices->count = 0;
}
