#include "lib/source/catalog_index.h"

#include <string.h>

#include "lib/base/ini.h"

/* Its own default for what old indexes do not say. */
static const struct vm_catalog_item empty = {
	.aliases = "",
	.separators = " \t\n",
	.os = "",
	.arch = "x86_64",
	.version = "1",
	.place = "",
	.digest = "",
	.format = "",
};

static void
take(struct vm_catalog_item *item, const struct vm_ini_entry *entry)
{
	const char *key = entry->key, *value = entry->value;

	if (strcmp(key, "file") == 0)
		item->place = value;
	else if (strcmp(key, "arch") == 0)
		item->arch = value;
	else if (strcmp(key, "revision") == 0)
		item->version = value;
	else if (strcmp(key, "format") == 0)
		item->format = value;
	else if (strcmp(key, "aliases") == 0)
		item->aliases = value;
	else if (strcmp(key, "checksum[sha512]") == 0 ||
	    strcmp(key, "checksum") == 0) {
		item->digest = value;
		item->digest_type = VM_HASH_SHA512;
	} else if (strcmp(key, "checksum[sha256]") == 0 &&
	    item->digest[0] == '\0') {
		item->digest = value;
		item->digest_type = VM_HASH_SHA256;
	}
}

int
vm_catalog_index_find(const char *where, struct vm_buf *text,
    struct vm_catalog_search *search, struct vm_error *err)
{
	struct vm_catalog_item item = empty;
	char *shown VM_CLEAN_FREE = vm_document_show(where, err);
	struct vm_ini_entry entry;
	struct vm_ini ini;
	int result;

	if (shown == NULL || vm_ini_init(&ini, text, shown, err) == -1)
		return -1;
	while ((result = vm_ini_next(&ini, &entry, err)) == 1) {
		if (entry.key != NULL && item.own_name == NULL)
			return vm_catalog_refuse(where,
			    "neither simplestreams nor an index of "
			    "virt-builder",
			    err);
		if (entry.key != NULL) {
			take(&item, &entry);
			continue;
		}
		if (item.own_name != NULL &&
		    vm_catalog_offer(search, &item, where, err) == -1)
			return -1;
		item = empty;
		item.own_name = entry.section;
	}
	if (result == -1)
		return -1;
	return item.own_name == NULL ?
	    vm_catalog_refuse(where, "there is nothing in it", err) :
	    vm_catalog_offer(search, &item, where, err);
}
