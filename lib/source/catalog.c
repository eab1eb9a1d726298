#include "lib/source/catalog.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/source/arch.h"
#include "lib/source/catalog_index.h"
#include "lib/source/catalog_streams.h"

/* --- names --------------------------------------------------------------- */

void
vm_catalog_fold(const char *name, size_t len, char out[VM_CATALOG_NAME])
{
	size_t n = len < VM_CATALOG_NAME - 1 ? len : VM_CATALOG_NAME - 1;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];

		out[i] = (char)(c == '/' || c == ':' || c == ' ' ? '-' :
								   tolower(c));
	}
	out[n] = '\0';
}

int
vm_catalog_search_init(struct vm_catalog_search *search, const char *name,
    struct vm_error *err)
{
	size_t len = strlen(name);

	if (len == 0 || len >= VM_CATALOG_NAME)
		return vm_error_set(err, VM_E_USAGE, "bad_name",
		    "%.100s: no name of an image", name);
	*search = (struct vm_catalog_search){ 0 };
	vm_catalog_fold(name, len, search->name);
	search->nearest.word = search->name;
	return 0;
}

void
vm_catalog_search_release(struct vm_catalog_search *search)
{
	free(search->place);
	*search = (struct vm_catalog_search){ 0 };
}

/* Is it this name?  If not, is it near? */
static bool
try_name(struct vm_catalog_search *search, const char *name, size_t len)
{
	char folded[VM_CATALOG_NAME];

	if (len == 0 || len >= VM_CATALOG_NAME)
		return false;
	vm_catalog_fold(name, len, folded);
	if (strcmp(folded, search->name) == 0)
		return true;
	vm_nearest_offer(&search->nearest, folded);
	if (search->nearest.best == folded) {
		snprintf(search->near, sizeof(search->near), "%s", folded);
		search->nearest.best = search->near;
	}
	return false;
}

static bool
try_os_name(struct vm_catalog_search *search, const char *os, const char *name,
    size_t len)
{
	char both[2 * VM_CATALOG_NAME];

	if (os[0] == '\0' || len >= VM_CATALOG_NAME)
		return false;
	snprintf(both, sizeof(both), "%.63s-%.*s", os, (int)len, name);
	return try_name(search, both, strlen(both));
}

static bool
has_name(struct vm_catalog_search *search, const struct vm_catalog_item *item)
{
	const char *name = item->aliases;

	if (try_name(search, item->own_name, strlen(item->own_name)))
		return true;
	while (*(name += strspn(name, item->separators)) != '\0') {
		size_t len = strcspn(name, item->separators);

		if (try_name(search, name, len) ||
		    try_os_name(search, item->os, name, len))
			return true;
		name += len;
	}
	return false;
}

/* --- one image ----------------------------------------------------------- */

int
vm_catalog_refuse(const char *where, const char *what, struct vm_error *err)
{
	char *shown VM_CLEAN_FREE = vm_document_show(where, err);

	return shown == NULL ?
	    -1 :
	    vm_error_set(err, VM_E_DATA, "bad_catalog", "%s: %s", shown, what);
}

static bool
is_url(const char *text)
{
	return strstr(text, "://") != NULL;
}

/* Nothing that leads out of the catalogue's own tree but a whole URL. */
static bool
is_fit_place(const char *place)
{
	if (place[0] == '\0' || place[0] == '/')
		return false;
	for (const char *c = place; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '\\')
			return false;
	if (is_url(place))
		return strncmp(place, "https://", 8) == 0 ||
		    strncmp(place, "http://", 7) == 0;
	return strncmp(place, "../", 3) != 0 && strstr(place, "/../") == NULL &&
	    strpbrk(place, "?#") == NULL;
}

char *
vm_catalog_join(const char *base, const char *place, struct vm_error *err)
{
	const char *slash = strrchr(base, '/');

	if (is_url(place))
		return vm_buf_printf(err, "%s", place);
	if (strncmp(base, "http", 4) == 0 && is_url(base))
		return vm_http_beside(base, place, err);
	return vm_buf_printf(err, "%.*s%s",
	    slash == NULL ? 2 : (int)(slash - base + 1),
	    slash == NULL ? "./" : base, place);
}

static bool
is_digest(const struct vm_catalog_item *item)
{
	size_t want = item->digest_type == VM_HASH_SHA512 ? 128 : 64;

	return strlen(item->digest) == want &&
	    strspn(item->digest, "0123456789abcdef") == want;
}

static int
take(struct vm_catalog_search *search, const struct vm_catalog_item *item,
    char *place)
{
	free(search->place);
	search->place = place;
	search->found = true;
	search->format = item->format[0] == '\0' ? NULL :
	    strcmp(item->format, "qcow2") == 0	 ? "qcow2" :
	    strcmp(item->format, "raw") == 0	 ? "raw" :
						   NULL;
	search->digest_type = item->digest_type;
	snprintf(search->digest, sizeof(search->digest), "%s", item->digest);
	snprintf(search->version, sizeof(search->version), "%s", item->version);
	return 0;
}

/* Once, however many revisions of it there are. */
static int
add_name(struct vm_json *list, const struct vm_catalog_item *item,
    struct vm_error *err)
{
	const char *name = item->short_name != NULL ? item->short_name :
						      item->own_name;
	char folded[VM_CATALOG_NAME];

	if (name[0] == '\0' || strlen(name) >= VM_CATALOG_NAME)
		return 0;
	vm_catalog_fold(name, strlen(name), folded);
	for (size_t i = 0; i < vm_json_count(list); i++)
		if (strcmp(vm_json_text(vm_json_at(list, i)), folded) == 0)
			return 0;
	return vm_json_append(list, vm_json_new_string(folded), err);
}

int
vm_catalog_offer(struct vm_catalog_search *search,
    const struct vm_catalog_item *item, const char *base, struct vm_error *err)
{
	char *place VM_CLEAN_FREE = NULL;
	int order;

	if (!vm_arch_is_host(item->arch))
		return 0;
	if (search->list != NULL)
		return add_name(search->list, item, err);
	if (!has_name(search, item))
		return 0;
	if (!is_fit_place(item->place) ||
	    (item->digest[0] != '\0' && !is_digest(item)))
		return vm_catalog_refuse(base,
		    "what it says of that image makes no sense", err);
	place = vm_catalog_join(base, item->place, err);
	if (place == NULL)
		return -1;
	order = search->found ? strverscmp(item->version, search->version) : 1;
	if (order > 0)
		return take(search, item, VM_TAKE(place));
	if (order == 0 &&
	    (strcmp(place, search->place) != 0 ||
		strcmp(item->digest, search->digest) != 0))
		return vm_error_set(err, VM_E_DATA, "ambiguous",
		    "%s: twice in the catalogue, and not the same: %s and %s",
		    search->name, search->place, place);
	return 0;
}

/* --- documents ----------------------------------------------------------- */

static int
check_way(const struct vm_catalog_source *catalog, const char *where,
    const char *shown, struct vm_error *err)
{
	const struct vm_reach *reach = catalog->reach;

	if (catalog->keyring != NULL && reach->insecure)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "--insecure and a signature exclude each other");
	if (catalog->keyring != NULL || reach->insecure ||
	    !vm_document_is_plain(where, reach))
		return 0;
	vm_error_set(err, VM_E_DENIED, "insecure",
	    "%s: a catalogue by plain http: anybody on the way could change it",
	    shown);
	return vm_error_hint(err,
	    "vmfetch --keyring FILE, or --insecure to trust the network");
}

int
vm_catalog_read(struct vm_catalog_source *catalog, const char *where,
    struct vm_buf *text, struct vm_error *err)
{
	char *shown VM_CLEAN_FREE = vm_document_show(where, err);
	struct vm_source source VM_CLEAN_SOURCE = { 0 };
	const struct vm_source *origin = NULL;
	const struct vm_signature signature = {
		.keyring = catalog->keyring, .where = where, .shown = shown
	};

	if (shown == NULL || check_way(catalog, where, shown, err) == -1 ||
	    (is_url(catalog->where) &&
		vm_source_parse(catalog->where, NULL, &source, err) == -1))
		return -1;
	if (source.location != NULL)
		origin = &source;
	if (vm_document_read_long(origin, catalog->reach, where, VM_CATALOG_MAX,
		text, err) == -1)
		return err != NULL && strstr(err->message, shown) == NULL ?
		    vm_error_wrap(err, "%s", shown) :
		    -1;
	if (catalog->keyring != NULL)
		return vm_signature_check(&signature, origin, catalog->reach,
		    text, catalog->by, err);
	snprintf(catalog->by, sizeof(catalog->by), "catalog");
	return vm_signature_strip(text, err) == -1 ?
	    vm_error_wrap(err, "%s", shown) :
	    0;
}

/* A tree of simplestreams is named by its top. */
static char *
find_document(const struct vm_catalog_source *catalog, struct vm_error *err)
{
	const char *where = catalog->where;
	size_t len = strlen(where);

	return len == 0 || where[len - 1] != '/' ?
	    vm_buf_printf(err, "%s", where) :
	    vm_buf_printf(err, "%sstreams/v1/index.%s", where,
		catalog->keyring != NULL ? "sjson" : "json");
}

int
vm_catalog_find(struct vm_catalog_source *catalog,
    struct vm_catalog_search *search, struct vm_error *err)
{
	char *where VM_CLEAN_FREE = find_document(catalog, err);
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	if (where == NULL || vm_catalog_read(catalog, where, &text, err) == -1)
		return -1;
	if (text.data != NULL && text.data[strspn(text.data, " \t\r\n")] == '{')
		return vm_catalog_streams_find(catalog, where, &text, search,
		    err);
	return vm_catalog_index_find(where, &text, search, err);
}

int
vm_catalog_list(struct vm_catalog_source *catalog, struct vm_json *names,
    struct vm_error *err)
{
	struct vm_catalog_search all = { .list = names };

	return vm_catalog_find(catalog, &all, err);
}
