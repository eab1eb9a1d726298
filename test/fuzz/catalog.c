/*
 * A catalogue, an index of virt-builder or simplestreams: refused, or an image
 * below the catalogue (or at an http URL) with a digest in lower case or none.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/source/catalog_index.h"
#include "lib/source/catalog_streams.h"
#include "lib/source/reach.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* Nothing is there, so that an index leads to nothing. */
#define TOP "/nonexistent/"
#define WHERE TOP "streams/v1/x.json"

static void
check(const struct vm_catalog_search *search, int result,
    const struct vm_error *err)
{
	size_t len = strlen(search->digest);

	if (result == -1 && err->kind != VM_E_DATA &&
	    err->kind != VM_E_NO_INPUT)
		abort();
	if (!search->found)
		return;
	/* a whole URL leads where it likes */
	if (strncmp(search->place, "http", 4) != 0 &&
	    (strncmp(search->place, TOP, strlen(TOP)) != 0 ||
		strstr(search->place, "/../") != NULL))
		abort();
	if (len != 0 &&
	    (len != (search->digest_type == VM_HASH_SHA256 ? 64 : 128) ||
		strspn(search->digest, "0123456789abcdef") != len))
		abort();
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	const struct vm_reach reach = { 0 };
	struct vm_catalog_source catalog = { .where = WHERE, .reach = &reach };
	struct vm_catalog_search first VM_CLEAN_SEARCH = { 0 };
	struct vm_catalog_search second VM_CLEAN_SEARCH = { 0 };
	struct vm_error err = { 0 };
	int result;

	if (vm_buf_add(&text, data, size, NULL) == -1 ||
	    vm_catalog_search_init(&first, "one", NULL) == -1 ||
	    vm_catalog_search_init(&second, "one", NULL) == -1)
		return 0;
	result = vm_catalog_streams_find(&catalog, WHERE, &text, &first, &err);
	check(&first, result, &err);
	vm_error_clear(&err);
	if (vm_signature_strip(&text, &err) == -1)
		return 0;
	result = vm_catalog_index_find(WHERE, &text, &second, &err);
	check(&second, result, &err);
	return 0;
}
