#include "lib/image/named.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/source/catalog.h"
#include "lib/image/present.h"

#define CATALOGS "VMPIPE_CATALOG"
#define KEYRING "VMPIPE_CATALOG_KEYRING"
#define BLANKS " \t\n"

struct lookup {
	struct vm_store *store;
	const struct vm_fetch_options *options;
	const struct vm_source *source;
	struct vm_json *alias;	    /* that is there already, or NULL */
	bool usable;		    /* and its image, verified as asked for */
	char name[VM_CATALOG_NAME]; /* of the alias */
	struct vm_catalog_search search;
	char *where; /* the catalogue that has it, absolute */
	char by[VM_SIGNATURE_BY];
	char *keyring; /* it must be signed by, or NULL */
};

static void
release(struct lookup *l)
{
	vm_json_free(l->alias);
	vm_catalog_search_release(&l->search);
	free(l->where);
	free(l->keyring);
}

void
vm_named_release(struct vm_named *named)
{
	free(named->alias);
	vm_json_free(named->catalog);
	*named = (struct vm_named){ 0 };
}

static const char *
get_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[strspn(value, BLANKS)] != '\0' ? value :
								       NULL;
}

bool
vm_named_fold(const char *text, size_t catalog_count, char *out)
{
	size_t len = strlen(text);

	if ((catalog_count == 0 && get_env(CATALOGS) == NULL) ||
	    strchr(text, '/') == NULL || text[0] == '/' || text[0] == '.' ||
	    len >= VM_CATALOG_NAME || strstr(text, "://") != NULL ||
	    access(text, F_OK) == 0)
		return false;
	vm_catalog_fold(text, len, out);
	return true;
}

/* --- what is there ------------------------------------------------------- */

/* The catalogue that the alias's images come from, if they do. */
static const struct vm_json *
get_catalog(const struct lookup *l)
{
	const struct vm_json *catalog = vm_json_get(l->alias, "catalog");

	return strcmp(vm_json_string(catalog, "source", ""),
		   vm_json_string(l->alias, "source", "-")) == 0 ?
	    catalog :
	    NULL;
}

static int
look_at_store(struct lookup *l, struct vm_error *err)
{
	struct vm_json *facts VM_CLEAN_JSON = NULL;
	struct vm_error failure = { 0 };
	struct vm_alias alias;

	if (l->store == NULL)
		return 0;
	l->alias = vm_alias_load(l->store, l->name, NULL);
	if (vm_alias_resolve(l->store,
		l->alias != NULL ? l->name : l->source->location, &alias,
		NULL) == -1)
		return 0;
	facts = vm_present_load(l->store, alias.id, &failure);
	if (vm_error_is_set(&failure)) {
		if (err != NULL)
			*err = failure;
		return -1;
	}
	l->usable = facts != NULL &&
	    (l->source->digest[0] != '\0' ||
		vm_trust_is_met(l->source,
		    vm_json_string(l->alias, "source", NULL), l->options,
		    facts));
	return 0;
}

/* Is there a reason to ask a catalogue? */
static bool
is_asked(const struct lookup *l)
{
	bool fresh = l->options->refresh || l->source->pull == VM_PULL_ALWAYS;

	if (l->options->offline || l->source->pull == VM_PULL_NEVER)
		return false;
	if (l->usable && !fresh)
		return false;
	return l->alias != NULL ? get_catalog(l) != NULL : !l->usable;
}

/* --- asking -------------------------------------------------------------- */

/* 1: it has the name; 0; -1. */
static int
ask(struct lookup *l, const char *where, struct vm_error *err)
{
	struct vm_catalog_source catalog = { .where = where,
		.keyring = l->keyring,
		.reach = &l->options->reach };
	struct vm_source place VM_CLEAN_SOURCE = { 0 };
	char *path VM_CLEAN_FREE = NULL;

	if (vm_catalog_find(&catalog, &l->search, err) == -1)
		return -1;
	if (!l->search.found)
		return 0;
	path = vm_buf_printf(err, "%s%s", strchr(where, '/') ? "" : "./",
	    where);
	if (path == NULL || vm_source_parse(path, NULL, &place, err) == -1)
		return -1;
	l->where = VM_TAKE(place.shown);
	memcpy(l->by, catalog.by, sizeof(l->by));
	return 1;
}

/* Those in the environment's list, one after the other. */
static int
ask_usual(struct lookup *l, const char *list, struct vm_error *err)
{
	int result = 0;

	while (result == 0 && *(list += strspn(list, BLANKS)) != '\0') {
		size_t len = strcspn(list, BLANKS);
		char *where VM_CLEAN_FREE = vm_buf_printf(err, "%.*s", (int)len,
		    list);

		result = where == NULL ? -1 : ask(l, where, err);
		list += len;
	}
	return result;
}

/* The one given, the one of the last time, or the usual one. */
static int
choose_keyring(struct lookup *l, const struct vm_json *own,
    struct vm_error *err)
{
	const char *keyring = l->source->keyring;

	if (keyring == NULL)
		keyring = own != NULL ? vm_json_string(own, "keyring", NULL) :
					get_env(KEYRING);
	if (keyring == NULL)
		return 0;
	l->keyring = vm_buf_printf(err, "%s", keyring);
	return l->keyring == NULL ? -1 : 0;
}

static int
ask_all(struct lookup *l, char **catalogs, size_t count, struct vm_error *err)
{
	const struct vm_json *own = get_catalog(l);
	const char *usual = get_env(CATALOGS);
	int result = 0;

	if (choose_keyring(l, own, err) == -1)
		return -1;
	if (own != NULL) { /* it may be called otherwise there */
		snprintf(l->search.name, sizeof(l->search.name), "%s",
		    vm_json_string(own, "name", l->name));
		return ask(l, vm_json_string(own, "where", ""), err);
	}
	for (size_t i = 0; result == 0 && i < count; i++)
		result = ask(l, catalogs[i], err);
	if (count == 0 && usual != NULL)
		result = ask_usual(l, usual, err);
	return result;
}

static int
fail_unknown(const struct lookup *l, struct vm_error *err)
{
	vm_error_set(err, VM_E_NO_INPUT, "not_in_catalog",
	    "%s: neither in the store nor, for this machine, in a catalogue",
	    l->source->shown);
	return l->search.nearest.best == NULL ?
	    -1 :
	    vm_error_hint(err, "vmfetch %s", l->search.nearest.best);
}

/* --- what was found ------------------------------------------------------ */

/* The source that is asked for becomes the image that was found. */
static int
become(const struct lookup *l, struct vm_source *source, struct vm_error *err)
{
	struct vm_source made VM_CLEAN_SOURCE = { 0 };

	if (vm_source_parse(l->search.place, NULL, &made, err) == -1)
		return -1;
	made.pull = source->pull;
	if (made.format == NULL)
		made.format = l->search.format;
	if (source->digest[0] != '\0') {
		memcpy(made.digest, source->digest, sizeof(made.digest));
		made.digest_type = source->digest_type;
	} else {
		memcpy(made.digest, l->search.digest, sizeof(made.digest));
		made.digest_type = l->search.digest_type;
		memcpy(made.voucher, l->by, sizeof(made.voucher));
	}
	made.checksums = VM_TAKE(source->checksums);
	made.signature = VM_TAKE(source->signature);
	/* Else it has done its work: the catalogue was signed. */
	if (made.digest[0] == '\0' && l->keyring != NULL &&
	    vm_source_set_trust(&made, NULL, NULL, NULL, l->keyring, err) == -1)
		return -1;
	memcpy(made.mirrors, source->mirrors, sizeof(made.mirrors));
	made.mirror_count = source->mirror_count;
	source->mirror_count = 0;
	vm_source_release(source);
	*source = made;
	made = (struct vm_source){ 0 };
	return 0;
}

static int
describe(const struct lookup *l, const char *shown, struct vm_named *named,
    struct vm_error *err)
{
	named->alias = vm_buf_printf(err, "%s", l->name);
	named->catalog = vm_json_new_object();
	if (named->alias == NULL || named->catalog == NULL)
		return named->catalog == NULL ? vm_error_nomem(err) : -1;
	if (vm_json_set_string(named->catalog, "where", l->where, err) == -1 ||
	    vm_json_set_string(named->catalog, "name", l->search.name, err) ==
		-1 ||
	    vm_json_set_string(named->catalog, "source", shown, err) == -1)
		return -1;
	return l->keyring == NULL ?
	    0 :
	    vm_json_set_string(named->catalog, "keyring", l->keyring, err);
}

/* The store's own image; its alias is spelled as the store has it. */
static int
use_store(const struct lookup *l, struct vm_source *source,
    struct vm_error *err)
{
	char *name VM_CLEAN_FREE = NULL;

	if (l->alias == NULL || strcmp(source->location, l->name) == 0)
		return 0;
	name = vm_buf_printf(err, "%s", l->name);
	if (name == NULL)
		return -1;
	free(source->location);
	source->location = VM_TAKE(name);
	return 0;
}

static int
find(struct lookup *l, char **catalogs, size_t count, struct vm_source *source,
    struct vm_named *named, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	int result;

	if (look_at_store(l, err) == -1)
		return -1;
	if (!is_asked(l) ||
	    (l->alias == NULL && count == 0 && get_env(CATALOGS) == NULL))
		return use_store(l, source, err);
	result = ask_all(l, catalogs, count, &failure);
	if (result == -1 && failure.kind == VM_E_UNAVAILABLE && l->usable &&
	    !l->options->must_refresh) {
		vm_log(VM_LOG_WARN, "%s; what is here is used",
		    failure.message);
		named->is_stale = true;
		return use_store(l, source, err);
	}
	if (result == -1 && err != NULL)
		*err = failure;
	if (result != 1)
		return result == -1 ? -1 : fail_unknown(l, err);
	if (become(l, source, err) == -1 ||
	    describe(l, source->shown, named, err) == -1)
		return -1;
	named->found = true;
	named->is_strange = source->kind != VM_SOURCE_HTTP ||
	    !vm_http_is_same_origin(l->where, source->location);
	return 0;
}

int
vm_named_find(struct vm_store *store, char **catalogs, size_t catalog_count,
    const struct vm_fetch_options *options, struct vm_source *source,
    struct vm_named *named, struct vm_error *err)
{
	struct lookup l VM_CLEAN(release) = {
		.store = store, .options = options, .source = source
	};
	struct vm_named made VM_CLEAN_NAMED = { 0 };

	if (source->kind != VM_SOURCE_STORE || options->locked ||
	    strchr(source->location, '@') != NULL ||
	    strlen(source->location) >= VM_CATALOG_NAME)
		return 0;
	if (vm_catalog_search_init(&l.search, source->location, err) == -1)
		return -1;
	memcpy(l.name, l.search.name, sizeof(l.name));
	if (find(&l, catalogs, catalog_count, source, &made, err) == -1)
		return -1;
	*named = made;
	made = (struct vm_named){ 0 };
	return 0;
}

int
vm_named_note(struct vm_store *store, const struct vm_named *named,
    const char *alias, struct vm_error *err)
{
	return vm_alias_set_catalog(store, alias, named->catalog, err);
}

struct vm_json *
vm_named_list(char **catalogs, size_t catalog_count, const char *keyring,
    const struct vm_fetch_options *options, struct vm_error *err)
{
	struct vm_json *names VM_CLEAN_JSON = vm_json_new_array();

	if (names == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	for (size_t i = 0; i < catalog_count; i++) {
		struct vm_catalog_source catalog = {
			.where = catalogs[i],
			.keyring = keyring != NULL ? keyring : get_env(KEYRING),
			.reach = &options->reach,
		};

		if (vm_catalog_list(&catalog, names, err) == -1)
			return NULL;
	}
	return VM_TAKE(names);
}
