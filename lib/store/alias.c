#include "lib/store/alias.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/store/lock.h"
#include "lib/store/meta.h"

#define LOCK_WAIT_MS 60000
#define PREFIX_MIN 8 /* digits of an image's id that are enough */
#define GENERATION_MAX 1000000000

int
vm_alias_check_name(const char *name, struct vm_error *err)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char further[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
	char shown[128];

	if (name[0] != '\0' && strchr(first, name[0]) != NULL &&
	    name[strspn(name, further)] == '\0' && strlen(name) <= 63)
		return 0;
	return vm_error_set(err, VM_E_USAGE, "bad_name",
	    "%s: not an alias: 1 to 63 of a-z 0-9 - . _, beginning with a "
	    "letter or digit",
	    vm_log_escape(name, shown, sizeof(shown)));
}

struct vm_json *
vm_alias_load(struct vm_store *store, const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *alias = NULL;
	struct vm_error cause = { 0 };

	if (vm_alias_check_name(name, err) == -1)
		return NULL;
	alias = vm_meta_read(store->fds[VM_STORE_ALIASES], name,
	    "alias_damaged", &cause);
	if (alias != NULL &&
	    (vm_json_type(vm_json_get(alias, "generations")) !=
		    VM_JSON_OBJECT ||
		vm_json_int(alias, "current", 0) < 1))
		vm_error_set(&cause, VM_E_DATA, "alias_damaged",
		    "%s: damaged: without generations", name);
	if (cause.kind == VM_E_NO_INPUT) {
		vm_error_set(err, VM_E_NO_INPUT, "alias_not_found",
		    "%s: no such alias", name);
		vm_error_hint(err, "vmfetch -a %s SOURCE", name);
		return NULL;
	}
	if (vm_error_is_set(&cause)) {
		if (err != NULL)
			*err = cause;
		vm_error_wrap(err, "alias");
		if (cause.kind == VM_E_DATA)
			vm_error_hint(err, "vmfetch -a %s SOURCE", name);
		return NULL;
	}
	return VM_TAKE(alias);
}

/* --- resolving -------------------------------------------------------------*/

/* generation 0: the current one. */
static int
get_generation(const struct vm_json *json, const char *name,
    unsigned generation, struct vm_alias *alias, struct vm_error *err)
{
	const struct vm_json *entry;
	const char *id;
	char number[16];

	if (generation == 0)
		generation = (unsigned)vm_json_int(json, "current", 0);
	snprintf(number, sizeof(number), "%u", generation);
	entry = vm_json_member(vm_json_get(json, "generations"), number);
	if (entry == NULL) {
		vm_error_set(err, VM_E_NO_INPUT, "alias_not_found",
		    "%s@%u: no such generation", name, generation);
		return vm_error_hint(err, "vmls -t image %s", name);
	}
	id = vm_json_string(entry, "id", "");
	if (!vm_meta_is_digest(id, true))
		return vm_error_set(err, VM_E_DATA, "alias_damaged",
		    "alias %s@%u: without an image's id", name, generation);
	snprintf(alias->name, sizeof(alias->name), "%s", name);
	snprintf(alias->id, sizeof(alias->id), "%s", id);
	alias->generation = generation;
	return 0;
}

/* The alias, if there is one, whose current image this is. */
static int
find_alias_of(struct vm_store *store, const char *id, struct vm_alias *alias,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_ALIASES,
	    err);

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		VM_CLEAN_JSON struct vm_json *json = vm_alias_load(store,
		    names[i], NULL);

		if (json != NULL &&
		    get_generation(json, names[i], 0, alias, NULL) == 0 &&
		    strcmp(alias->id, id) == 0)
			return 0;
	}
	*alias = (struct vm_alias){ 0 };
	snprintf(alias->id, sizeof(alias->id), "%s", id);
	return 0;
}

/* 1: text begins the id of one image; 0: of none; -1: of several, or error. */
static int
find_image(struct vm_store *store, const char *text, struct vm_alias *alias,
    struct vm_error *err)
{
	size_t len = strlen(text);
	VM_CLEAN_NAMES char **names = NULL;
	const char *found = NULL;

	if (len < PREFIX_MIN || strspn(text, "0123456789abcdef-") != len)
		return 0;
	names = vm_store_list(store, VM_STORE_IMAGES, err);
	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		if (strncmp(names[i], text, len) != 0 ||
		    !vm_meta_is_digest(names[i], true))
			continue;
		if (names[i][len] == '\0') {
			found = names[i]; /* "<id>" beside "<id>-1" */
			break;
		}
		if (found != NULL)
			return vm_error_set(err, VM_E_USAGE, "ambiguous",
			    "%s: begins the ids of several images", text);
		found = names[i];
	}
	if (found == NULL)
		return 0;
	return find_alias_of(store, found, alias, err) == -1 ? -1 : 1;
}

/* An id that no image here has: not fetched, or under quarantine. */
static int
explain_missing(struct vm_store *store, const char *id, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *image = vm_image_load(store, id, err);

	if (image == NULL)
		return -1;
	return vm_error_set(err, VM_E_TRY_AGAIN, "changed",
	    "image %s: has just been fetched", id);
}

int
vm_alias_resolve(struct vm_store *store, const char *text,
    struct vm_alias *alias, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = NULL;
	VM_CLEAN_FREE char *name = strdup(text);
	struct vm_error failure = { 0 };
	char *at = name == NULL ? NULL : strchr(name, '@');
	uint64_t generation = 0;
	int found;

	if (name == NULL)
		return vm_error_nomem(err);
	if (at != NULL) {
		*at = '\0';
		if (vm_size_parse_number(at + 1, 1, GENERATION_MAX, &generation,
			err) == -1)
			return vm_error_set(err, VM_E_USAGE, "bad_generation",
			    "%s: a generation is a number, as in %s@1", text,
			    name);
	}
	json = vm_alias_load(store, name, &failure);
	if (json != NULL)
		return get_generation(json, name, (unsigned)generation, alias,
		    err);
	/* an id as a whole is longer than an alias may be */
	if (at == NULL &&
	    (failure.kind == VM_E_NO_INPUT || failure.kind == VM_E_USAGE)) {
		found = find_image(store, text, alias, err);
		if (found != 0)
			return found == 1 ? 0 : -1;
		if (vm_meta_is_digest(text, true))
			return explain_missing(store, text, err);
	}
	if (err != NULL)
		*err = failure;
	return -1;
}

char *
vm_alias_of_source(struct vm_store *store, const char *source,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_ALIASES,
	    err);
	char *found = NULL;

	if (err != NULL && names != NULL)
		vm_error_clear(err);
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		VM_CLEAN_JSON struct vm_json *json = vm_alias_load(store,
		    names[i], NULL);

		if (strcmp(vm_json_string(json, "source", ""), source) != 0)
			continue;
		found = strdup(names[i]);
		if (found == NULL)
			vm_error_nomem(err);
		break;
	}
	return found;
}

static struct vm_json *
load_trust(struct vm_store *store, const char *name, const char *source)
{
	VM_CLEAN_JSON struct vm_json *json = vm_alias_load(store, name, NULL);
	const struct vm_json *trust = vm_json_get(json, "trust");

	return strcmp(vm_json_string(trust, "source", ""), source) == 0 ?
	    vm_json_copy(trust) :
	    NULL;
}

struct vm_json *
vm_alias_trust(struct vm_store *store, const char *first, const char *source)
{
	struct vm_json *trust = load_trust(store, first, source);
	VM_CLEAN_NAMES char **names = trust != NULL ?
	    NULL :
	    vm_store_list(store, VM_STORE_ALIASES, NULL);

	for (size_t i = 0; trust == NULL && names != NULL && names[i] != NULL;
	     i++)
		trust = load_trust(store, names[i], source);
	return trust;
}

/* --- moving ----------------------------------------------------------------*/

/* The number of the generation that has this id, or 0. */
static unsigned
find_generation(const struct vm_json *generations, const char *id)
{
	for (void *it = vm_json_first(generations); it != NULL;
	     it = vm_json_next(generations, it)) {
		uint64_t n;

		if (strcmp(vm_json_string(vm_json_value(it), "id", ""), id) ==
			0 &&
		    vm_size_parse_number(vm_json_key(it), 1, GENERATION_MAX, &n,
			NULL) == 0)
			return (unsigned)n;
	}
	return 0;
}

/* One above every number that was ever used ("last"). */
static unsigned
next_generation(const struct vm_json *json)
{
	const struct vm_json *generations = vm_json_get(json, "generations");
	uint64_t highest = (uint64_t)vm_json_int(json, "last", 0), n;

	for (void *it = vm_json_first(generations); it != NULL;
	     it = vm_json_next(generations, it))
		if (vm_size_parse_number(vm_json_key(it), 1, GENERATION_MAX, &n,
			NULL) == 0 &&
		    n > highest)
			highest = n;
	return (unsigned)highest + 1;
}

static int
add_generation(struct vm_json *json, const char *id, const char *source,
    unsigned number, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *entry = vm_json_new_object();
	char key[16], now[VM_CLOCK_TEXT];

	snprintf(key, sizeof(key), "%u", number);
	if (entry == NULL)
		return vm_error_nomem(err);
	if (vm_json_set_string(entry, "id", id, err) == -1 ||
	    vm_json_set_string(entry, "fetched", vm_clock_format_now(now),
		err) == -1 ||
	    (source != NULL &&
		vm_json_set_string(entry, "source", source, err) == -1) ||
	    vm_json_set_int(json, "last", number, err) == -1)
		return -1;
	return vm_json_set_member(vm_json_get(json, "generations"), key,
	    VM_TAKE(entry), err);
}

/* The alias's JSON, or an empty one where there is none, or a damaged one. */
static struct vm_json *
load_or_begin(struct vm_store *store, const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = NULL;
	struct vm_error failure = { 0 };

	json = vm_alias_load(store, name, &failure);
	if (json != NULL)
		return VM_TAKE(json);
	if (failure.kind == VM_E_DATA &&
	    vm_publish_keep(store, VM_STORE_ALIASES, name, VM_STORE_QUARANTINE,
		NULL, err) == -1)
		return NULL;
	if (failure.kind != VM_E_DATA && failure.kind != VM_E_NO_INPUT) {
		if (err != NULL)
			*err = failure;
		return NULL;
	}
	json = vm_json_new_object();
	if (json == NULL)
		vm_error_nomem(err);
	else if (vm_json_set_int(json, "vmpipe", 1, err) == 0 &&
	    vm_json_set_string(json, "name", name, err) == 0 &&
	    vm_json_set(json, "generations", vm_json_new_object(), err) == 0)
		return VM_TAKE(json);
	return NULL;
}

static int
take_lock(struct vm_store *store, const char *name, struct vm_error *err)
{
	VM_CLEAN_FREE char *lock_name = vm_buf_printf(err, "alias-%s", name);

	return lock_name == NULL ?
	    -1 :
	    vm_lock_named(store, lock_name, LOCK_WAIT_MS, err);
}

int
vm_alias_set(struct vm_store *store, const char *name, const char *id,
    const char *source, struct vm_alias *alias, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = NULL;
	VM_CLEAN_FD int lock = -1;
	unsigned number;

	if (vm_alias_check_name(name, err) == -1)
		return -1;
	if (!vm_meta_is_digest(id, true))
		return vm_error_set(err, VM_E_USAGE, "bad_id",
		    "%s: not an image's id", id);
	lock = take_lock(store, name, err);
	if (lock == -1)
		return -1;
	json = load_or_begin(store, name, err);
	if (json == NULL)
		return -1;
	number = find_generation(vm_json_get(json, "generations"), id);
	if (number == 0) {
		number = next_generation(json);
		if (add_generation(json, id, source, number, err) == -1)
			return -1;
	}
	if ((source != NULL &&
		vm_json_set_string(json, "source", source, err) == -1) ||
	    vm_json_set_int(json, "current", number, err) == -1 ||
	    vm_meta_write(store, store->fds[VM_STORE_ALIASES], name, 0640, json,
		err) == -1)
		return -1;
	return get_generation(json, name, number, alias, err);
}

/* Under its lock; what stays as it was is not written. */
static int
set_member(struct vm_store *store, const char *name, const char *member,
    const struct vm_json *value, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = NULL;
	VM_CLEAN_FD int lock = take_lock(store, name, err);

	if (lock == -1)
		return -1;
	json = vm_alias_load(store, name, err);
	if (json == NULL)
		return -1;
	if (vm_json_is_equal(value, vm_json_get(json, member)))
		return 0;
	if (vm_json_set(json, member, vm_json_copy(value), err) == -1)
		return -1;
	return vm_meta_write(store, store->fds[VM_STORE_ALIASES], name, 0640,
	    json, err);
}

int
vm_alias_set_trust(struct vm_store *store, const char *name,
    const struct vm_json *trust, struct vm_error *err)
{
	return set_member(store, name, "trust", trust, err);
}

int
vm_alias_set_catalog(struct vm_store *store, const char *name,
    const struct vm_json *catalog, struct vm_error *err)
{
	return set_member(store, name, "catalog", catalog, err);
}

const char *
vm_alias_artifact(const char *source, unsigned *disk)
{
	char *end = NULL;
	unsigned long number = 0;

	*disk = 1;
	if (strncmp(source, "disk ", 5) == 0)
		number = strtoul(source + 5, &end, 10);
	if (number < 2 || number > UINT_MAX || strncmp(end, " of ", 4) != 0)
		return source;
	*disk = (unsigned)number;
	return end + 4;
}
