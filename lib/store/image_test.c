/* Images, the chains and layers on them, and what is found out at use. */
#include "lib/store/image.h"

#include "lib/store/alias.h"
#include "lib/store/chain.h"
#include "test/store_fixture.h"

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define KEY2 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static void
put_image(struct vm_store *store, const char *id)
{
	VM_CLEAN_JSON struct vm_json *facts = vm_json_new_object();
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	struct vm_error err = { 0 };
	char name[96];

	snprintf(name, sizeof(name), "%s.raw", id);
	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, name, 0444, "master", 6, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, "chunks", 0444, "digest", 6, NULL));
	assert_int_equal(0, vm_json_set_int(facts, "virtual_size", 512, NULL));
	if (vm_image_publish(store, &publish, id, facts, &err) == -1)
		fail_msg("%s", err.message);
}

static void
put_layer(struct vm_store *store, const struct vm_chain *base, const char *key)
{
	VM_CLEAN_JSON struct vm_json *facts = vm_json_new_object();
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	struct vm_error err = { 0 };
	char name[96];

	snprintf(name, sizeof(name), "%s.qcow2", key);
	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, name, 0444, "layer", 5, NULL));
	assert_int_equal(0, vm_chain_link(base, &publish, NULL));
	if (vm_chain_publish_layer(store, &publish, base, key, facts, &err) ==
	    -1)
		fail_msg("%s", err.message);
}

static void
run(const struct fixture *f, const char *script)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (chdir(f->dir) == 0)
			execl("/bin/sh", "sh", "-ec", script, NULL);
		_exit(127);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_int_equal(0, status);
}

static void
assert_load(struct vm_store *store, enum vm_kind kind, const char *code)
{
	struct vm_error err = { 0 };
	VM_CLEAN_JSON struct vm_json *meta = vm_image_load(store, ID, &err);

	assert_string_equal(code, err.code);
	assert_int_equal(kind, err.kind);
	assert_int_equal(kind == VM_OK, meta != NULL);
}

static void
test_publish_and_load(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_JSON struct vm_json *meta = NULL, *layout = NULL;
	struct vm_error err = { 0 };

	assert_load(store, VM_E_NO_INPUT, "image_not_found");
	put_image(store, ID);
	put_image(store, ID); /* the same bytes: success */
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
	assert_int_equal(0, fixture_count(store, VM_STORE_QUARANTINE));
	layout = vm_json_parse("{\"os\":\"debian\"}", 15, NULL);
	assert_int_equal(0, vm_image_set_layout(store, ID, layout, NULL));
	meta = vm_image_load(store, ID, NULL);
	assert_string_equal("debian", vm_json_string(meta, "layout.os", ""));
	assert_int_equal(512, vm_json_int(meta, "virtual_size", 0));
	assert_int_equal(1, vm_json_int(meta, "vmpipe", 0));
	for (int i = 0; i < 3; i++) {
		const char *const bad[] = { "../" ID, "", "abc" };

		assert_null(vm_image_load(store, bad[i], &err));
		assert_string_equal("image_not_found", err.code);
	}
}

static void
test_changed_master(void **state)
{
	static const struct {
		const char *script;
		const char *code;
	} cases[] = {
		{ "chmod 0644 *.raw", "image_changed" },
		{ "chmod u+w *.raw; echo x >>$(ls *.raw); chmod a-w *.raw",
		    "image_changed" },
		{ "touch *.raw", "image_changed" },
		{ "m=$(ls *.raw); rm $m; ln -s /etc/passwd $m",
		    "image_changed" },
		{ "m=$(ls *.raw); cp -p $m x; mv -f x $m", "image_changed" },
		{ "rm *.raw", "image_changed" },
		{ ": >image.json", "image_damaged" },
		{ "rm image.json", "image_damaged" },
		{ "echo '{\"id\":' >image.json", "image_damaged" },
		{ "echo [] >image.json", "image_damaged" },
		{ "echo '{\"id\":\"x\"}' >image.json", "image_damaged" },
		{ "rm image.json; mkfifo image.json", "image_damaged" },
	};
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	char script[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put_image(store, ID);
		assert_load(store, VM_OK, "");
		snprintf(script, sizeof(script), "cd store/images/%s; %s", ID,
		    cases[i].script);
		run(f, script);
		assert_load(store, VM_E_DATA, cases[i].code);
		/* fetched again, it is whole; the old one is kept aside */
		put_image(store, ID);
		assert_load(store, VM_OK, "");
		assert_int_equal(i + 1,
		    fixture_count(store, VM_STORE_QUARANTINE));
	}
	assert_int_equal(0, vm_image_quarantine(store, ID, NULL));
	assert_load(store, VM_E_DATA, "image_quarantined");
}

static void
test_newer_version(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_JSON struct vm_json *layout = vm_json_new_object();
	struct vm_error err = { 0 };

	put_image(store, ID);
	run(f, "sed -i 's/\"vmpipe\":1/\"vmpipe\":2/' store/images/*/*.json");
	assert_load(store, VM_E_CONFIG, "version");
	assert_int_equal(-1, vm_image_set_layout(store, ID, layout, &err));
	assert_string_equal("version", err.code);
	run(f, "grep -q '\"vmpipe\":2' store/images/*/image.json");
}

static void
test_moved_store(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_CHAIN struct vm_chain image = { 0 };
	struct vm_chain layer;

	put_image(store, ID);
	assert_int_equal(0, vm_chain_open_image(store, ID, &image, NULL));
	put_layer(store, &image, KEY);
	vm_store_clean(&store);
	run(f, "cp -a store moved; rm -r store; mv moved store");
	store = fixture_open(f, NULL);
	assert_load(store, VM_OK, "");
	assert_int_equal(0, vm_chain_open_layer(store, KEY, &layer, NULL));
	vm_chain_close(&layer);
	run(f, "cd store/images/*; m=$(ls *.raw); cp -p $m x; mv -f x $m");
	assert_load(store, VM_OK, ""); /* a move and this look the same */
	run(f, "touch store/images/*/*.raw");
	assert_load(store, VM_E_DATA, "image_changed");
}

static void
test_chains(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_CHAIN struct vm_chain image = { 0 }, one = { 0 }, two = { 0 };
	struct vm_error err = { 0 };
	struct stat st;

	assert_int_equal(-1, vm_chain_open_image(store, ID, &image, &err));
	assert_string_equal("image_not_found", err.code);
	assert_int_equal(-1, vm_chain_open_layer(store, KEY, &one, &err));
	assert_string_equal("layer_not_found", err.code);
	put_image(store, ID);
	assert_int_equal(0, vm_chain_open_image(store, ID, &image, NULL));
	assert_int_equal(1, image.count);
	put_layer(store, &image, KEY);
	put_layer(store, &image, KEY);
	assert_int_equal(0, vm_chain_open_layer(store, KEY, &one, NULL));
	put_layer(store, &one, KEY2);
	/* the lower ones go, the chain stays */
	run(f, "rm -r store/images/*; rm -r store/layers/b*");
	assert_int_equal(0, vm_chain_open_layer(store, KEY2, &two, NULL));
	assert_int_equal(3, two.count);
	assert_string_equal(KEY2 ".qcow2", two.files[0].name);
	assert_string_equal(KEY ".qcow2", two.files[1].name);
	assert_string_equal(ID ".raw", two.files[2].name);
	assert_true(two.files[2].is_raw && !two.files[1].is_raw);
	assert_string_equal(ID, two.image_id);
	assert_string_equal(KEY2, two.layer_key);
	assert_int_equal(512, two.virtual_size);
	assert_int_equal(0, fstatat(two.dir_fd, ID ".raw", &st, 0));
	assert_int_equal(1, st.st_nlink);
	run(f, "cd store/layers/*; rm b*.qcow2; cp a*.raw " KEY ".qcow2");
	assert_int_equal(-1, vm_chain_open_layer(store, KEY2, &one, &err));
	assert_string_equal("layer_changed", err.code);
	assert_string_equal("vmdoctor --images", err.hint);
}

/* --- aliases ---------------------------------------------------------------*/

static void
test_aliases(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_FREE char *name = NULL;
	struct vm_alias alias;
	struct vm_error err = { 0 };

	assert_int_equal(-1, vm_alias_resolve(store, "deb", &alias, &err));
	assert_string_equal("alias_not_found", err.code);
	assert_int_equal(0,
	    vm_alias_set(store, "deb", ID, "http://x/1", &alias, NULL));
	assert_int_equal(1, alias.generation);
	assert_int_equal(0,
	    vm_alias_set(store, "deb", KEY, "http://x/2", &alias, NULL));
	assert_int_equal(2, alias.generation);
	/* back, by the id; the source stays */
	assert_int_equal(0, vm_alias_set(store, "deb", ID, NULL, &alias, NULL));
	assert_int_equal(1, alias.generation);
	assert_int_equal(0,
	    vm_alias_set(store, "deb", KEY2, NULL, &alias, NULL));
	assert_int_equal(3, alias.generation);
	assert_int_equal(0, vm_alias_resolve(store, "deb@2", &alias, NULL));
	assert_string_equal(KEY, alias.id);
	assert_int_equal(0, vm_alias_resolve(store, "deb", &alias, NULL));
	assert_string_equal(KEY2, alias.id);
	assert_int_equal(-1, vm_alias_resolve(store, "deb@4", &alias, &err));
	assert_string_equal("alias_not_found", err.code);
	for (int i = 0; i < 4; i++) {
		const char *const bad[] = { "deb@", "deb@0", "deb@-1",
			"deb@x" };

		assert_int_equal(-1,
		    vm_alias_resolve(store, bad[i], &alias, &err));
		assert_string_equal("bad_generation", err.code);
	}
	name = vm_alias_of_source(store, "http://x/2", &err);
	assert_string_equal("deb", name);
	assert_null(vm_alias_of_source(store, "http://x/1", &err));
	assert_false(vm_error_is_set(&err));
}

static void
test_ids(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	struct vm_alias alias;
	struct vm_error err = { 0 };

	assert_int_equal(-1, vm_alias_resolve(store, ID, &alias, &err));
	assert_string_equal("image_not_found", err.code);
	put_image(store, ID);
	assert_int_equal(0, vm_alias_resolve(store, "aaaaaaaa", &alias, NULL));
	assert_string_equal(ID, alias.id);
	assert_string_equal("", alias.name);
	assert_int_equal(0, vm_alias_set(store, "deb", ID, NULL, &alias, NULL));
	assert_int_equal(0, vm_alias_resolve(store, ID, &alias, NULL));
	assert_string_equal("deb", alias.name);
	put_image(store, ID "-1");
	assert_int_equal(0, vm_alias_resolve(store, ID, &alias, NULL));
	assert_string_equal(ID, alias.id);
	assert_int_equal(-1, vm_alias_resolve(store, "aaaaaaaa", &alias, &err));
	assert_string_equal("ambiguous", err.code);
	assert_int_equal(-1, vm_alias_resolve(store, "aaaaaaa", &alias, &err));
	assert_string_equal("alias_not_found", err.code);
}

static void
test_bad_aliases(void **state)
{
	static const char *const names[] = { "", "-x", ".x", "A", "a/b", "a b",
		"..", "\xc3\xa4",
		"0123456789012345678901234567890123456789012345678901234567890"
		"123" };
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	struct vm_alias alias;
	struct vm_error err = { 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(-1, vm_alias_check_name(names[i], &err));
		assert_int_equal(-1,
		    vm_alias_set(store, names[i], ID, NULL, &alias, &err));
		assert_string_equal("bad_name", err.code);
	}
	assert_int_equal(0, vm_alias_set(store, "a", ID, NULL, &alias, NULL));
	run(f, ": >store/aliases/a");
	assert_int_equal(-1, vm_alias_resolve(store, "a", &alias, &err));
	assert_string_equal("alias_damaged", err.code);
	assert_null(vm_alias_of_source(store, "x", &err));
	assert_false(vm_error_is_set(&err));
	assert_int_equal(0, vm_alias_set(store, "a", ID, NULL, &alias, NULL));
	assert_int_equal(1, fixture_count(store, VM_STORE_QUARANTINE));
	run(f, "echo '{\"vmpipe\":2}' >store/aliases/a");
	assert_int_equal(-1, vm_alias_set(store, "a", ID, NULL, &alias, &err));
	assert_int_equal(VM_E_CONFIG, err.kind);
	run(f, "grep -q 2 store/aliases/a");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_publish_and_load),
		FIXTURE_TEST(test_changed_master),
		FIXTURE_TEST(test_newer_version),
		FIXTURE_TEST(test_moved_store),
		FIXTURE_TEST(test_chains),
		FIXTURE_TEST(test_aliases),
		FIXTURE_TEST(test_ids),
		FIXTURE_TEST(test_bad_aliases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
