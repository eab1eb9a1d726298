#include "lib/source/catalog_streams.h"
#include "test/unit.h"

#include <string.h>

#include "lib/source/arch.h"
#include "lib/source/catalog.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER64                                                                \
	"1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* An image called "one", alias "two" of the os "os". */
static struct vm_catalog_item
make_item(const char *version, const char *place)
{
	return (struct vm_catalog_item){
		.own_name = "one",
		.aliases = "two,,Three/3",
		.separators = ",",
		.os = "os",
		.arch = vm_arch_host()->debian,
		.version = version,
		.place = place,
		.digest_type = VM_HASH_SHA256,
		.digest = HEX64,
		.format = "",
	};
}

static int
offer(struct vm_catalog_search *search, const char *version, const char *place,
    struct vm_error *err)
{
	const struct vm_catalog_item item = make_item(version, place);

	return vm_catalog_offer(search, &item, "https://h/x/index", err);
}

static void
test_names(void **state)
{
	static const struct {
		const char *name;
		bool found;
	} cases[] = { { "one", true }, { "ONE", true }, { "two", true },
		{ "os-two", true }, { "os/two", true }, { "three-3", true },
		{ "os:three/3", true }, { "os-one", false }, { "tw", false },
		{ "os", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_catalog_search search VM_CLEAN_SEARCH = { 0 };
		struct vm_error err = { 0 };

		assert_int_equal(0,
		    vm_catalog_search_init(&search, cases[i].name, &err));
		assert_int_equal(0, offer(&search, "1", "a", &err));
		assert_int_equal(cases[i].found, search.found);
	}
}

static void
test_near(void **state)
{
	struct vm_catalog_search search VM_CLEAN_SEARCH = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0, vm_catalog_search_init(&search, "os-tow", &err));
	assert_int_equal(0, offer(&search, "1", "a", &err));
	assert_string_equal("os-two", search.nearest.best);
}

static void
test_newest(void **state)
{
	struct vm_catalog_search search VM_CLEAN_SEARCH = { 0 };
	struct vm_catalog_item foreign = make_item("99", "z");
	struct vm_catalog_item other = make_item("10", "b");
	struct vm_error err = { 0 };

	(void)state;
	foreign.arch = "vax";
	assert_int_equal(0, vm_catalog_search_init(&search, "one", &err));
	assert_int_equal(0, offer(&search, "9", "a", &err));
	assert_int_equal(0, offer(&search, "10", "b", &err));
	assert_int_equal(0, offer(&search, "2", "c", &err));
	assert_int_equal(0,
	    vm_catalog_offer(&search, &foreign, "https://h/x/index", &err));
	assert_string_equal("https://h/x/b", search.place);
	assert_string_equal(HEX64, search.digest);
	assert_int_equal(0, offer(&search, "10", "b", &err));
	assert_int_equal(-1, offer(&search, "10", "d", &err));
	assert_string_equal("ambiguous", err.code);
	assert_string_equal("https://h/x/b", search.place);
	other.digest = OTHER64;
	assert_int_equal(-1,
	    vm_catalog_offer(&search, &other, "https://h/x/index", &err));
	assert_string_equal(HEX64, search.digest);
}

static void
test_places(void **state)
{
	static const char *const bad[] = { "", "/etc/shadow", "../x", "a/../b",
		"a b", "a\nb", "file:///x", "ssh://h/x", "oci://h/x", "a?b",
		"a#b", "a\\b" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vm_catalog_search search VM_CLEAN_SEARCH = { 0 };
		struct vm_error err = { 0 };

		assert_int_equal(0,
		    vm_catalog_search_init(&search, "one", &err));
		assert_int_equal(-1, offer(&search, "1", bad[i], &err));
		assert_string_equal("bad_catalog", err.code);
		assert_false(search.found);
	}
}

/* Documents of an index that do not lie below it are none of its own. */
static void
test_documents(void **state)
{
	static const char *const paths[] = { "streams/../x", "/etc/x",
		"streams/v1/p.j://x", "https://h/x" };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		VM_CLEAN_BUF struct vm_buf text = { 0 };
		const struct vm_reach reach = { 0 };
		struct vm_catalog_source catalog = {
			.where = "/none/streams/v1/index.json", .reach = &reach
		};
		struct vm_catalog_search search VM_CLEAN_SEARCH = { 0 };
		struct vm_error err = { 0 };

		assert_int_equal(0,
		    vm_buf_format(&text, &err,
			"{\"format\":\"index:1.0\",\"index\":{\"i\":{"
			"\"datatype\":\"image-downloads\","
			"\"path\":\"%s\"}}}",
			paths[i]));
		assert_int_equal(0,
		    vm_catalog_search_init(&search, "one", &err));
		assert_int_equal(0,
		    vm_catalog_streams_find(&catalog, catalog.where, &text,
			&search, &err));
		assert_false(search.found);
	}
}

static void
test_join(void **state)
{
	static const struct {
		const char *base, *place, *joined;
	} cases[] = {
		{ "https://h/x/index?q", "a/b", "https://h/x/a/b" },
		{ "https://h/x/index", "http://g/b", "http://g/b" },
		{ "/x/index", "a", "/x/a" },
		{ "index", "a", "./a" },
		{ "./", "s/a", "./s/a" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_error err = { 0 };
		char *joined VM_CLEAN_FREE = vm_catalog_join(cases[i].base,
		    cases[i].place, &err);

		assert_string_equal(cases[i].joined, joined);
	}
}

static void
test_strip(void **state)
{
	static const char text[] = "-----BEGIN PGP SIGNED MESSAGE-----\n"
				   "Hash: SHA512\n"
				   "\n"
				   "[a]\n"
				   "- -dash\n"
				   "\n"
				   "-----BEGIN PGP SIGNATURE-----\n"
				   "x\n"
				   "-----END PGP SIGNATURE-----\n";
	VM_CLEAN_BUF struct vm_buf buf = { 0 }, cut = { 0 }, plain = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0, vm_buf_add_string(&buf, text, NULL));
	assert_int_equal(0, vm_signature_strip(&buf, &err));
	assert_string_equal("[a]\n-dash\n\n", buf.data);
	assert_int_equal(0, vm_buf_add(&cut, text, 70, NULL));
	assert_int_equal(-1, vm_signature_strip(&cut, &err));
	assert_int_equal(0, vm_buf_add_string(&plain, "[a]\n- b\n", NULL));
	assert_int_equal(0, vm_signature_strip(&plain, &err));
	assert_string_equal("[a]\n- b\n", plain.data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_newest),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_strip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
