#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cli.h"
#include "lib/base/log.h"
#include "lib/base/nearest.h"
#include "lib/view/view.h"
#include "lib/view/view_object.h"
#include "lib/view/view_sort.h"

static const char *const types[] = { "vm", "image", "layer", "volume", "old",
	NULL };
static const enum vm_store_dir dirs[] = { VM_STORE_VMS, VM_STORE_IMAGES,
	VM_STORE_LAYERS, VM_STORE_VOLUMES, VM_STORE_OLD };
static const char *const states[] = { "fetched", "cloned", "customized",
	"running", "ready", "stopped", "suspended", "failed", NULL };

/* The list under way. */
struct list {
	struct vm_store *store;
	const struct vm_view_options *options;
	struct vm_view_catalog catalog;
	bool *matched; /* one per pattern */
};

static void
release_list(struct list *list)
{
	vm_view_catalog_release(&list->catalog);
	free(list->matched);
}

int
vm_view_refuse_word(const char *what, const char *word,
    const char *const *known, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf list = { 0 };
	const char *nearest = vm_nearest_find(word, known);

	if (nearest != NULL)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "%s: no such %s (did you mean %s?)", word, what, nearest);
	for (size_t i = 0; known[i] != NULL; i++)
		if (vm_buf_format(&list, err, "%s%s", i > 0 ? ", " : "",
			known[i]) == -1)
			return -1;
	return vm_error_set(err, VM_E_USAGE, "usage", "%s: no such %s: %s",
	    word, what, list.data);
}

int
vm_view_parse_type(const char *word, enum vm_view_type *type,
    struct vm_error *err)
{
	for (size_t i = 0; types[i] != NULL; i++) {
		if (strcmp(types[i], word) == 0) {
			*type = (enum vm_view_type)i;
			return 0;
		}
	}
	return vm_view_refuse_word("type", word, types, err);
}

static bool
is_word_of(const char *word, char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static int
check_states(const struct vm_view_options *options, struct vm_error *err)
{
	for (size_t i = 0; i < options->state_count; i++) {
		const char *const *known = states;

		while (*known != NULL &&
		    strcmp(*known, options->states[i]) != 0)
			known++;
		if (*known == NULL)
			return vm_view_refuse_word("state", options->states[i],
			    states, err);
	}
	return 0;
}

/* Does any pattern match any of these names (NULLs are none)? */
static bool
matches(const struct list *list, const char *const names[3])
{
	const struct vm_view_options *options = list->options;
	bool any = options->pattern_count == 0;

	for (size_t i = 0; i < options->pattern_count; i++)
		for (size_t j = 0; j < 3; j++)
			if (names[j] != NULL &&
			    fnmatch(options->patterns[i], names[j], 0) == 0)
				any = list->matched[i] = true;
	return any;
}

static bool
record_matches(const struct list *list, const struct vm_json *record)
{
	const char *const names[3] = { vm_json_string(record, "name", NULL),
		vm_json_string(record, "image.alias", NULL),
		vm_json_string(record, "image.id", NULL) };

	if (list->options->type == VM_VIEW_IMAGES)
		return matches(list, names);
	return matches(list,
	    (const char *const[3]){ names[0],
		vm_json_string(record, "vm", NULL),
		vm_json_string(record, "layer", NULL) });
}

static struct vm_json *
load(const struct list *list, const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;

	switch (list->options->type) {
	case VM_VIEW_IMAGES:
		return vm_view_image(list->store, &list->catalog, name, err);
	case VM_VIEW_LAYERS:
		return vm_view_layer(list->store, &list->catalog, name, err);
	case VM_VIEW_VOLUMES:
		return vm_view_volume(list->store, name, err);
	case VM_VIEW_OLD:
		return vm_view_old(list->store, name, err);
	case VM_VIEW_VMS:
		break;
	}
	if (!list->options->names_only)
		return vm_view_vm(list->store, &list->catalog, name,
		    list->options->usage, err);
	record = vm_record_new("vm", err);
	if (record == NULL ||
	    vm_json_set_string(record, "name", name, err) == -1)
		return NULL;
	return VM_TAKE(record);
}

/* What cannot be read is listed all the same, and said. */
static struct vm_json *
new_broken(const struct list *list, const char *name, struct vm_error *failure,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;

	record = vm_record_new(types[list->options->type], err);
	if (record == NULL ||
	    vm_json_set_string(record, "name", name, err) == -1 ||
	    vm_record_fail(record, vm_log_name(), failure, err) == -1)
		return NULL;
	vm_log_failure(failure);
	vm_cli_note(failure->kind);
	return VM_TAKE(record);
}

static int
add_object(const struct list *list, const char *name,
    struct vm_records *records, struct vm_error *err)
{
	const struct vm_view_options *options = list->options;
	VM_CLEAN_JSON struct vm_json *record = NULL;
	struct vm_error failure = { 0 };

	/* A VM is known by its directory: the others need not be read. */
	if (options->type == VM_VIEW_VMS &&
	    !matches(list, (const char *const[3]){ name, NULL, NULL }))
		return 0;
	record = load(list, name, &failure);
	if (record == NULL && failure.kind == VM_E_NO_INPUT)
		return 0;
	if (record == NULL)
		record = new_broken(list, name, &failure, err);
	if (record == NULL)
		return -1;
	if (options->type != VM_VIEW_VMS && !record_matches(list, record))
		return 0;
	if (options->state_count > 0 &&
	    !is_word_of(vm_json_string(record, "state", ""), options->states,
		options->state_count))
		return 0;
	return vm_records_add(records, VM_TAKE(record), err);
}

/* As ls(1) does: a name that is not there is an error, a pattern is not. */
static void
report_unmatched(const struct list *list)
{
	const struct vm_view_options *options = list->options;

	for (size_t i = 0; i < options->pattern_count; i++) {
		struct vm_error failure = { 0 };

		if (list->matched[i] ||
		    strpbrk(options->patterns[i], "*?[\\") != NULL)
			continue;
		vm_error_set(&failure, VM_E_NO_INPUT, "not_found",
		    "%s: no such %s", options->patterns[i],
		    options->type == VM_VIEW_VMS     ? "VM" :
			options->type == VM_VIEW_OLD ? "old disk" :
						       types[options->type]);
		vm_error_hint(&failure, "vmls -t %s", types[options->type]);
		vm_log_failure(&failure);
		vm_cli_note(failure.kind);
	}
}

int
vm_view_list(struct vm_store *store, const struct vm_view_options *options,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN(release_list)
	struct list list = { .store = store, .options = options };
	VM_CLEAN_NAMES char **names = NULL;

	if (check_states(options, err) == -1)
		return -1;
	list.matched = calloc(options->pattern_count + 1, sizeof(bool));
	if (list.matched == NULL)
		return vm_error_nomem(err);
	if (!options->names_only &&
	    vm_view_catalog_load(store, &list.catalog, err) == -1)
		return -1;
	names = vm_store_list(store, dirs[options->type], err);
	if (names == NULL)
		return -1;
	for (char **name = names; *name != NULL; name++)
		if (add_object(&list, *name, records, err) == -1)
			return -1;
	report_unmatched(&list);
	vm_view_sort(records, options->sort, options->descending);
	return 0;
}
