#include "lib/store/vm.h"

#include "test/store_fixture.h"

/* A VM of service shop, as vmclone would publish it. */
static void
put_vm(struct vm_store *store, const char *name, const char *role, int index,
    const char *address)
{
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	VM_CLEAN_BUF struct vm_buf text = { 0 }, out = { 0 };
	VM_CLEAN_JSON struct vm_json *record = NULL;

	assert_int_equal(0,
	    vm_buf_format(&text, NULL,
		"{\"kind\":\"vm\",\"name\":\"%s\",\"service\":\"shop\","
		"\"role\":\"%s\",\"index\":%d,\"image\":{\"id\":\"i\"},"
		"\"disks\":[{\"path\":\"/other/vms/%s/disk.qcow2\","
		"\"format\":\"qcow2\"},{\"path\":\"/dev/sdx\"}],"
		"\"identity\":{\"uuid\":\"u-%s\",\"nics\":[{\"mac\":\"m\"},"
		"{\"address\":\"%s\"}]},\"private\":{\"seed\":\"secret\"}}",
		name, role, index, name, name, address));
	record = vm_json_parse(text.data, text.len, NULL);
	assert_non_null(record);
	assert_int_equal(0, vm_vm_format(record, &out, NULL));
	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, "vm.json", 0600, out.data, out.len,
		NULL));
	assert_int_equal(0,
	    vm_publish_commit(&publish, VM_STORE_VMS, name, VM_PUBLISH_NEW,
		NULL));
}

static void
put_json(const struct fixture *f, const char *name, const char *text)
{
	char path[192];
	FILE *file;

	snprintf(path, sizeof(path), "%s/vms/%s/vm.json", f->root, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(0, fclose(file));
}

static void
test_load_and_save(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_JSON struct vm_json *record = NULL, *all = NULL;
	VM_CLEAN_FREE char *path = NULL;
	struct stat st;
	char where[192];

	put_vm(store, "a", "web", 1, "10.0.0.1/24");
	record = vm_vm_load(store, "a", false, NULL);
	assert_non_null(record);
	assert_null(vm_json_get(record, "private"));
	path = vm_store_path(store, VM_STORE_VMS, "a", "disk.qcow2", NULL);
	assert_string_equal(path, vm_json_string(record, "disks.0.path", ""));
	assert_string_equal("/dev/sdx",
	    vm_json_string(record, "disks.1.path", ""));
	assert_int_equal(0,
	    vm_json_set_string(record, "state", "running", NULL));
	assert_int_equal(0, vm_vm_save(store, record, NULL));
	/* what must not travel was kept, the disk's path is relative */
	all = vm_vm_load(store, "a", true, NULL);
	assert_string_equal("secret", vm_json_string(all, "private.seed", ""));
	assert_string_equal("running", vm_json_string(all, "state", ""));
	snprintf(where, sizeof(where), "%s/vms/a/vm.json", f->root);
	assert_int_equal(0, stat(where, &st));
	assert_int_equal(0600, st.st_mode & 07777);
	snprintf(where, sizeof(where),
	    "grep -q '\"path\":\"disk.qcow2\"' %s/vms/a/vm.json", f->root);
	assert_int_equal(0, system(where));
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
}

static void
test_missing_and_damaged(void **state)
{
	static const struct {
		const char *text;
		enum vm_kind kind;
		const char *code;
	} cases[] = {
		{ "", VM_E_DATA, "vm_damaged" },
		{ "{", VM_E_DATA, "vm_damaged" },
		{ "[]", VM_E_DATA, "vm_damaged" },
		{ "{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"b\"}", VM_E_DATA,
		    "vm_damaged" },
		{ "{\"vmpipe\":1,\"kind\":\"image\",\"name\":\"a\"}", VM_E_DATA,
		    "vm_damaged" },
		{ "{\"vmpipe\":2,\"kind\":\"vm\",\"name\":\"a\"}", VM_E_CONFIG,
		    "version" },
	};
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_JSON struct vm_json *record = NULL;
	struct vm_error err = { 0 };

	assert_null(vm_vm_load(store, "a", false, &err));
	assert_string_equal("vm_not_found", err.code);
	assert_string_equal("vmls", err.hint);
	assert_null(vm_vm_resolve(store, "../a", &err));
	assert_int_equal(VM_E_USAGE, err.kind);
	put_vm(store, "a", "web", 1, "");
	record = vm_vm_load(store, "a", false, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put_json(f, "a", cases[i].text);
		assert_null(vm_vm_load(store, "a", false, &err));
		assert_string_equal(cases[i].code, err.code);
		assert_int_equal(cases[i].kind, err.kind);
		/* never written over: its private half would be lost */
		assert_int_equal(-1, vm_vm_save(store, record, &err));
		assert_string_equal(cases[i].code, err.code);
	}
}

static void
test_locks(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	struct vm_publish publish;
	struct vm_error err = { 0 };
	int lock, dir_fd;

	assert_int_equal(-1, vm_vm_is_busy(store, "a", &err));
	assert_string_equal("vm_not_found", err.code);
	assert_int_equal(-1, vm_vm_lock(store, "a", 0, &err));
	assert_string_equal("vm_not_found", err.code);
	put_vm(store, "a", "web", 1, "");
	assert_int_equal(0, vm_vm_is_busy(store, "a", NULL));
	lock = vm_vm_lock(store, "a", 0, NULL);
	assert_true(lock >= 0);
	assert_int_equal(1, vm_vm_is_busy(store, "a", NULL));
	/* the lock file lives on in the replacement, and so does the lock */
	dir_fd = vm_store_open_object(store, VM_STORE_VMS, "a", NULL);
	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	assert_int_equal(0,
	    vm_publish_link(&publish, dir_fd, "lock", "lock", NULL));
	assert_int_equal(0,
	    vm_publish_commit(&publish, VM_STORE_VMS, "a", VM_PUBLISH_REPLACE,
		NULL));
	close(dir_fd);
	assert_int_equal(1, vm_vm_is_busy(store, "a", NULL));
	assert_int_equal(-1, vm_vm_lock(store, "a", 0, &err));
	assert_int_equal(VM_E_TRY_AGAIN, err.kind);
	assert_string_equal("in_use", err.code);
	close(lock);
	assert_int_equal(0, vm_vm_is_busy(store, "a", NULL));
}

static void
test_facts(void **state)
{
	static const struct {
		const char *path, *value, *what;
	} cases[] = {
		{ "identity.uuid", "other", "identity.uuid" },
		{ "image.id", "other", "image.id" },
		{ "disks.0.path", "/other/disk.qcow2", "disk" },
		{ "disks.0.format", "raw", "disk" },
		{ "disks.2.path", "/more", "number of disks" },
	};
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_JSON struct vm_json *stored = NULL, *bare = NULL;
	struct vm_error err = { 0 };

	put_vm(store, "a", "web", 1, "");
	stored = vm_vm_load(store, "a", false, NULL);
	assert_int_equal(0, vm_vm_check_facts(stored, stored, NULL));
	bare = vm_json_parse("{\"name\":\"a\"}", 12, NULL);
	assert_int_equal(0, vm_vm_check_facts(stored, bare, NULL));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		VM_CLEAN_JSON struct vm_json *record = vm_json_copy(stored);

		assert_int_equal(0,
		    vm_json_set_string(record, cases[i].path, cases[i].value,
			NULL));
		assert_int_equal(-1, vm_vm_check_facts(stored, record, &err));
		assert_int_equal(VM_E_EXISTS, err.kind);
		assert_string_equal("stale_record", err.code);
		assert_non_null(strstr(err.message, cases[i].what));
	}
}

static void
test_addresses(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_JSON struct vm_json *roles = NULL;
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	put_vm(store, "web-10", "web", 10, "10.0.0.10/24");
	put_vm(store, "web-2", "web", 2, "10.0.0.2/24");
	put_vm(store, "web-3", "web", 3, "");
	put_vm(store, "db-1", "db", 1, "10.0.0.99");
	put_vm(store, "broken", "db", 1, "10.0.0.77");
	put_json(f, "broken", "");
	roles = vm_vm_addresses(store, "shop", NULL);
	assert_int_equal(0, vm_json_format(roles, true, &text, NULL));
	assert_string_equal("{\"db\":[\"10.0.0.99\"],"
			    "\"web\":[\"10.0.0.2\",\"10.0.0.10\"]}",
	    text.data);
	vm_json_clean(&roles);
	roles = vm_vm_addresses(store, "other", NULL);
	assert_int_equal(0, vm_json_count(roles));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_load_and_save),
		FIXTURE_TEST(test_missing_and_damaged),
		FIXTURE_TEST(test_locks),
		FIXTURE_TEST(test_facts),
		FIXTURE_TEST(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
