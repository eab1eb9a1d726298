#include "lib/source/catalog_streams.h"

#include <string.h>
#include <strings.h>

#include "lib/adapt/json.h"

#define DOCUMENTS_MAX 16

/* Files of a version that are a disk, the best first. */
static const char *const disks[] = { "disk-kvm.img", "disk1.img", "disk.qcow2",
	"qcow2", "disk.img", NULL };

/* --- products ------------------------------------------------------------ */

static const struct vm_json *
find_disk(const struct vm_json *version)
{
	const struct vm_json *items = vm_json_get(version, "items");

	for (const char *const *disk = disks; *disk != NULL; disk++)
		for (void *it = vm_json_first(items); it != NULL;
		     it = vm_json_next(items, it))
			if (strcmp(vm_json_string(vm_json_value(it), "ftype",
				       ""),
				*disk) == 0)
				return vm_json_value(it);
	return NULL;
}

/* Its newest version that has a disk; *name is which. */
static const struct vm_json *
find_newest(const struct vm_json *product, const char **name)
{
	const struct vm_json *versions = vm_json_get(product, "versions");
	const struct vm_json *newest = NULL;

	*name = "";
	for (void *it = vm_json_first(versions); it != NULL;
	     it = vm_json_next(versions, it)) {
		const struct vm_json *disk = find_disk(vm_json_value(it));

		if (disk != NULL && strverscmp(vm_json_key(it), *name) > 0) {
			newest = disk;
			*name = vm_json_key(it);
		}
	}
	return newest;
}

/*
 * The names of a product: its aliases.  Only without any the release, which
 * several variants may share.
 */
static char *
join_names(const struct vm_json *product, struct vm_error *err)
{
	const char *aliases = vm_json_string(product, "aliases", "");

	return aliases[0] != '\0' ?
	    vm_buf_printf(err, "%s", aliases) :
	    vm_buf_printf(err, "%s,%s", vm_json_string(product, "release", ""),
		vm_json_string(product, "version", ""));
}

/* The first of them, with the os in front where it does not say so. */
static char *
make_short_name(const struct vm_json *product, const char *names,
    struct vm_error *err)
{
	const char *os = vm_json_string(product, "os", "");
	bool bare = strncasecmp(names, os, strlen(os)) != 0;

	return vm_buf_printf(err, "%s%s%.*s", bare ? os : "", bare ? "-" : "",
	    (int)strcspn(names, ","), names);
}

static int
offer_product(const char *name, const struct vm_json *product, const char *base,
    struct vm_catalog_search *search, struct vm_error *err)
{
	const char *version, *type;
	const struct vm_json *disk = find_newest(product, &version);
	char *names VM_CLEAN_FREE = NULL, *short_name VM_CLEAN_FREE = NULL;
	struct vm_catalog_item item = {
		.own_name = name,
		.separators = ",",
		.os = vm_json_string(product, "os", ""),
		.arch = vm_json_string(product, "arch", ""),
		.digest_type = VM_HASH_SHA256,
	};

	if (disk == NULL)
		return 0;
	names = join_names(product, err);
	if (names == NULL ||
	    (short_name = make_short_name(product, names, err)) == NULL)
		return -1;
	item.short_name = short_name;
	type = vm_json_string(disk, "ftype", "");
	item.aliases = names;
	item.version = version;
	item.place = vm_json_string(disk, "path", "");
	item.digest = vm_json_string(disk, "sha256", "");
	item.format = strstr(type, "qcow2") != NULL ? "qcow2" : "";
	return vm_catalog_offer(search, &item, base, err);
}

static int
offer_products(const struct vm_json *document, const char *base,
    struct vm_catalog_search *search, struct vm_error *err)
{
	const struct vm_json *products = vm_json_get(document, "products");

	for (void *it = vm_json_first(products); it != NULL;
	     it = vm_json_next(products, it))
		if (offer_product(vm_json_key(it), vm_json_value(it), base,
			search, err) == -1)
			return -1;
	return 0;
}

/* --- documents ----------------------------------------------------------- */

/* "https://h/x/streams/v1/index.json" is below "https://h/x/". */
static char *
find_base(const char *where, struct vm_error *err)
{
	const char *end = strstr(where, "streams/v1/");

	if (end != NULL && (end == where || end[-1] == '/'))
		return end == where ?
		    vm_buf_printf(err, "./") :
		    vm_buf_printf(err, "%.*s", (int)(end - where), where);
	vm_catalog_refuse(where, "simplestreams are below streams/v1/", err);
	return NULL;
}

static struct vm_json *
parse(const char *where, const struct vm_buf *text, const char *format,
    struct vm_error *err)
{
	struct vm_json *json VM_CLEAN_JSON = vm_json_parse(text->data,
	    text->len, err);

	if (json == NULL) {
		vm_catalog_refuse(where, "it is not JSON", err);
		return NULL;
	}
	if (format != NULL &&
	    strcmp(vm_json_string(json, "format", ""), format) != 0) {
		vm_catalog_refuse(where, "not simplestreams of version 1.0",
		    err);
		return NULL;
	}
	return VM_TAKE(json);
}

static int
read_products(struct vm_catalog_source *catalog, const char *base,
    const char *path, struct vm_catalog_search *search, struct vm_error *err)
{
	char *where VM_CLEAN_FREE = vm_catalog_join(base, path, err);
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	struct vm_json *json VM_CLEAN_JSON = NULL;

	if (where == NULL || vm_catalog_read(catalog, where, &text, err) == -1)
		return -1;
	json = parse(where, &text, "products:1.0", err);
	return json == NULL ? -1 : offer_products(json, base, search, err);
}

/* Is it a list of images to download, below this catalogue? */
static bool
is_of_images(const struct vm_json *entry)
{
	const char *path = vm_json_string(entry, "path", "");

	return strcmp(vm_json_string(entry, "datatype", ""),
		   "image-downloads") == 0 &&
	    strncmp(path, "streams/", 8) == 0 && strstr(path, "..") == NULL &&
	    strstr(path, "://") == NULL;
}

int
vm_catalog_streams_find(struct vm_catalog_source *catalog, const char *where,
    const struct vm_buf *text, struct vm_catalog_search *search,
    struct vm_error *err)
{
	char *base VM_CLEAN_FREE = find_base(where, err);
	struct vm_json *json VM_CLEAN_JSON = NULL;
	const struct vm_json *index;
	size_t documents = 0;

	if (base == NULL)
		return -1;
	json = parse(where, text, NULL, err);
	if (json == NULL)
		return -1;
	if (vm_json_get(json, "products") != NULL)
		return offer_products(json, base, search, err);
	index = vm_json_get(json, "index");
	if (vm_json_type(index) != VM_JSON_OBJECT)
		return vm_catalog_refuse(where, "neither index nor products",
		    err);
	for (void *it = vm_json_first(index); it != NULL;
	     it = vm_json_next(index, it)) {
		const struct vm_json *entry = vm_json_value(it);

		if (!is_of_images(entry))
			continue;
		if (++documents > DOCUMENTS_MAX)
			return vm_catalog_refuse(where, "too many documents",
			    err);
		if (read_products(catalog, base,
			vm_json_string(entry, "path", ""), search, err) == -1)
			return -1;
	}
	return 0;
}
