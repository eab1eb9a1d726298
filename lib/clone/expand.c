#include "lib/clone/expand.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/size.h"
#include "lib/clone/indices.h"
#include "lib/record/manifest.h"
#include "lib/record/vars.h"

#define INDEX_MAX VM_INDICES_MAX
#define MARK "\001" /* stands for the index while names are made */

/* The store's VMs, sorted. */
struct names {
	char **items;
	size_t count;
};

/* A name with a number in it: prefix, index + offset, suffix. */
struct pattern {
	char prefix[VM_NAME_MAX + 1], suffix[VM_NAME_MAX + 1];
	long long offset;
	bool has_index;
};

static int
refuse_pattern(const char *text, const char *why, struct vm_error *err)
{
	return vm_error_set(err, VM_E_USAGE, "bad_pattern", "name \"%s\": %s",
	    text, why);
}

/* Replace {{index}} or {{index+N}} by the mark; N goes into *offset. */
static char *
mark_index(const char *text, long long *offset, struct vm_error *err)
{
	const char *at = strstr(text, "{{index"), *rest;
	char *end;

	*offset = 0;
	if (at == NULL)
		return vm_buf_printf(err, "%s", text);
	rest = at + strlen("{{index");
	if (*rest == '+' && isdigit((unsigned char)rest[1])) {
		*offset = strtoll(rest + 1, &end, 10);
		rest = end;
	}
	if (strncmp(rest, "}}", 2) != 0 || *offset < 0 || *offset > INDEX_MAX ||
	    strstr(rest, "{{index") != NULL) {
		refuse_pattern(text, "use {{index}} or {{index+N}} once", err);
		return NULL;
	}
	return vm_buf_printf(err, "%.*s" MARK "%s", (int)(at - text), text,
	    rest + 2);
}

static int
split(const char *text, struct pattern *pattern, struct vm_error *err)
{
	const char *mark = strstr(text, MARK);
	size_t len = mark != NULL ? (size_t)(mark - text) : strlen(text);

	if (len > VM_NAME_MAX ||
	    (mark != NULL && strlen(mark + 1) > VM_NAME_MAX))
		return refuse_pattern(text, "too long", err);
	memcpy(pattern->prefix, text, len);
	pattern->prefix[len] = '\0';
	pattern->has_index = mark != NULL;
	snprintf(pattern->suffix, sizeof(pattern->suffix), "%s",
	    mark != NULL ? mark + 1 : "");
	return 0;
}

/* --name, else SERVICE-ROLE-INDEX, else ALIAS-INDEX. */
static char *
pattern_text(const struct vm_json *record, const char *given,
    struct vm_error *err)
{
	const char *service = vm_json_string(record, "service", NULL);
	const char *role = vm_json_string(record, "role", NULL);

	if (given != NULL)
		return vm_buf_printf(err, "%s", given);
	if (service != NULL && role != NULL)
		return vm_buf_printf(err, "%s-%s-{{index}}", service, role);
	return vm_buf_printf(err, "%s-{{index}}",
	    vm_json_string(record, "image.alias", "vm"));
}

static int
make_pattern(const struct vm_json *record, const char *given,
    struct pattern *pattern, struct vm_error *err)
{
	const struct vm_vars vars = { .record = record };
	VM_CLEAN_FREE char *text = pattern_text(record, given, err);
	VM_CLEAN_FREE char *marked = NULL;
	VM_CLEAN_FREE char *expanded = NULL;

	if (text == NULL ||
	    (marked = mark_index(text, &pattern->offset, err)) == NULL)
		return -1;
	expanded = vm_vars_expand_string(&vars, marked, err);
	if (expanded == NULL && given != NULL && err != NULL &&
	    err->kind == VM_E_DATA) {
		err->kind = VM_E_USAGE;
		return vm_error_wrap(err, "--name");
	}
	if (expanded == NULL)
		return -1;
	return split(expanded, pattern, err);
}

static int
format_name(const struct pattern *pattern, long long index,
    char name[VM_NAME_MAX + 1], struct vm_error *err)
{
	char text[3 * VM_NAME_MAX];

	if (pattern->has_index)
		snprintf(text, sizeof(text), "%s%lld%s", pattern->prefix,
		    index + pattern->offset, pattern->suffix);
	else
		snprintf(text, sizeof(text), "%s", pattern->prefix);
	if (vm_record_check_name(text, err) == -1)
		return -1;
	memcpy(name, text, strlen(text) + 1); /* checked: it fits */
	return 0;
}

/* The index of an existing name, or 0 when it is not of this pattern. */
static long long
index_of(const struct pattern *pattern, const char *name)
{
	size_t before = strlen(pattern->prefix), len = strlen(name);
	size_t after = strlen(pattern->suffix);
	uint64_t number;
	char digits[16];

	if (!pattern->has_index || len <= before + after ||
	    len - before - after >= sizeof(digits) ||
	    strncmp(name, pattern->prefix, before) != 0 ||
	    strcmp(name + len - after, pattern->suffix) != 0)
		return 0;
	memcpy(digits, name + before, len - before - after);
	digits[len - before - after] = '\0';
	if (digits[0] == '0' ||
	    vm_size_parse_number(digits, 1, 2ULL * INDEX_MAX, &number, NULL) ==
		-1 ||
	    (long long)number <= pattern->offset)
		return 0;
	return (long long)number - pattern->offset;
}

static int
compare_name(const void *key, const void *item)
{
	return strcmp(key, *(char *const *)item);
}

static bool
is_there(const struct names *existing, const char *name)
{
	return bsearch(name, existing->items, existing->count,
		   sizeof(*existing->items), compare_name) != NULL;
}

static int
compare_index(const void *a, const void *b)
{
	const struct vm_expand_vm *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

/* All existing VMs of the pattern, lowest index first; *count of them. */
static struct vm_expand_vm *
find_existing(const struct pattern *pattern, const struct names *existing,
    size_t *count, struct vm_error *err)
{
	struct vm_expand_vm *found;
	size_t i;

	*count = 0;
	if ((found = calloc(existing->count + 1, sizeof(*found))) == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	for (i = 0; i < existing->count; i++) {
		long long index = index_of(pattern, existing->items[i]);

		if (index == 0)
			continue;
		snprintf(found[*count].name, sizeof(found[*count].name), "%s",
		    existing->items[i]);
		found[*count].index = index;
		found[(*count)++].exists = true;
	}
	qsort(found, *count, sizeof(*found), compare_index);
	return found;
}

static int
expand_count(const struct pattern *pattern, const struct names *existing,
    size_t wanted, struct vm_expand *expand, struct vm_error *err)
{
	VM_CLEAN_FREE struct vm_expand_vm *found = NULL;
	size_t have, next = 0, i;
	long long index;

	if (wanted > 1 && !pattern->has_index)
		return refuse_pattern(pattern->prefix,
		    "needs {{index}} for more than one VM", err);
	if ((found = find_existing(pattern, existing, &have, err)) == NULL)
		return -1;
	for (i = 0; i < wanted && i < have; i++)
		expand->vms[expand->count++] = found[i];
	for (index = 1; expand->count < wanted; index++) {
		struct vm_expand_vm *vm = &expand->vms[expand->count];

		while (next < have && found[next].index < index)
			next++;
		if (next < have && found[next].index == index)
			continue;
		if (format_name(pattern, index, vm->name, err) == -1)
			return -1;
		vm->index = index;
		vm->exists = is_there(existing, vm->name);
		expand->count++;
	}
	qsort(expand->vms, expand->count, sizeof(*expand->vms), compare_index);
	return 0;
}

/* The VMs of exactly these indices. */
static int
expand_indices(const struct pattern *pattern, const struct vm_indices *indices,
    const struct names *existing, struct vm_expand *expand,
    struct vm_error *err)
{
	size_t i;

	if (indices->count > 1 && !pattern->has_index)
		return refuse_pattern(pattern->prefix,
		    "needs {{index}} for more than one VM", err);
	for (i = 0; i < indices->count; i++) {
		struct vm_expand_vm *vm = &expand->vms[expand->count];

		vm->index = indices->items[i];
		if (format_name(pattern, vm->index, vm->name, err) == -1)
			return -1;
		vm->exists = is_there(existing, vm->name);
		expand->count++;
	}
	return 0;
}

/* --index, else the record's "indices" where no number was given. */
static int
find_indices(const struct vm_json *record,
    const struct vm_clone_options *options, struct vm_indices *indices,
    struct vm_error *err)
{
	const struct vm_json *list = vm_json_get(record, "indices");

	if (options->indices != NULL)
		return vm_indices_parse(options->indices, indices, err);
	if (list != NULL && options->count == 0 && options->name_count == 0)
		return vm_indices_take(list, indices, err);
	return 0;
}

/* Names given by hand: the pattern gives the index, else the position. */
static int
expand_names(const struct pattern *pattern,
    const struct vm_clone_options *options, const struct names *existing,
    struct vm_expand *expand, struct vm_error *err)
{
	size_t i, j;

	for (i = 0; i < options->name_count; i++) {
		struct vm_expand_vm *vm = &expand->vms[expand->count];

		if (vm_record_check_name(options->names[i], err) == -1)
			return -1;
		for (j = 0; j < i; j++) {
			if (strcmp(options->names[i], options->names[j]) == 0)
				return vm_error_set(err, VM_E_USAGE, "bad_name",
				    "%s: named twice", options->names[i]);
		}
		snprintf(vm->name, sizeof(vm->name), "%s", options->names[i]);
		vm->index = index_of(pattern, vm->name);
		if (vm->index == 0)
			vm->index = (long long)i + 1;
		vm->exists = is_there(existing, vm->name);
		expand->count++;
	}
	return 0;
}

int
vm_expand_record(const struct vm_json *record,
    const struct vm_clone_options *options, char **existing,
    struct vm_expand *expand, struct vm_error *err)
{
	VM_CLEAN_INDICES struct vm_indices indices = { 0 };
	struct pattern pattern = { .offset = 0 };
	struct names names = { .items = existing };
	size_t wanted = options->count;

	if (find_indices(record, options, &indices, err) == -1)
		return -1;
	if (options->name_count > 0)
		wanted = options->name_count;
	else if (indices.items != NULL)
		wanted = indices.count;
	else if (wanted == 0)
		wanted = vm_manifest_initial(vm_json_get(record, "spec"));
	if (wanted > INDEX_MAX)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "%zu clones in one call (at most %d)", wanted, INDEX_MAX);
	if (make_pattern(record, options->pattern, &pattern, err) == -1)
		return -1;
	while (existing[names.count] != NULL)
		names.count++;
	expand->count = 0;
	expand->vms = calloc(wanted + 1, sizeof(*expand->vms));
	if (expand->vms == NULL)
		return vm_error_nomem(err);
	if (options->name_count > 0)
		return expand_names(&pattern, options, &names, expand, err);
	if (indices.items != NULL)
		return expand_indices(&pattern, &indices, &names, expand, err);
	return expand_count(&pattern, &names, wanted, expand, err);
}

void
vm_expand_release(struct vm_expand *expand)
{
	free(expand->vms);
	expand->vms = NULL;
	expand->count = 0;
}
