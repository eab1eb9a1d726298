#include "lib/store/lineage.h"

#include "test/store_fixture.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define KEY "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

/* A VM's directory as it is before its vm.json is written. */
struct vm {
	struct vm_store *store;
	struct vm_json *record;
	int dir_fd;
	char dir[128];
};

static void
put(const struct vm *vm, const char *file, const char *text, mode_t mode)
{
	int fd;

	unlinkat(vm->dir_fd, file, 0);
	fd = openat(vm->dir_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    mode);
	assert_true(fd >= 0);
	assert_int_equal(strlen(text), write(fd, text, strlen(text)));
	close(fd);
}

static void
set_time(const struct vm *vm, const char *file, long s, long ns)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = s, .tv_nsec = ns } };

	assert_int_equal(0, utimensat(vm->dir_fd, file, times, 0));
}

static void
open_vm(struct vm *vm, const struct fixture *f)
{
	vm->store = fixture_open(f, NULL);
	snprintf(vm->dir, sizeof(vm->dir), "%s/vms/a", f->root);
	assert_int_equal(0, mkdir(vm->dir, 0750));
	vm->dir_fd = open(vm->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(vm, "lock", "", 0600);
	put(vm, "disk.qcow2", "disk", 0600);
	put(vm, "volume-data.raw", "data", 0600);
	put(vm, ID ".raw", "master", 0444);
	set_time(vm, ID ".raw", 1795398592, 410801981);
	put(vm, KEY ".qcow2", "layer", 0444);
	vm->record = vm_json_parse("{\"name\":\"a\"}", 12, NULL);
	assert_non_null(vm->record);
	assert_int_equal(0, vm_lineage_note(vm->dir_fd, vm->record, NULL));
}

static void
close_vm(struct vm *vm)
{
	vm_json_free(vm->record);
	close(vm->dir_fd);
	vm_store_close(vm->store);
}

static void
is_refused(const struct vm *vm, const char *code)
{
	struct vm_error err = { 0 };

	assert_int_equal(-1,
	    vm_lineage_check(vm->store, vm->record, vm->dir_fd, &err));
	assert_int_equal(VM_E_DATA, err.kind);
	assert_string_equal(code, err.code);
	if (strncmp(code, "base", 4) == 0)
		assert_string_equal("vmdoctor --repair a", err.hint);
}

static void
is_accepted(const struct vm *vm)
{
	assert_int_equal(0,
	    vm_lineage_check(vm->store, vm->record, vm->dir_fd, NULL));
}

static void
test_names(void **state)
{
	(void)state;
	assert_true(vm_lineage_is_base(ID ".raw"));
	assert_true(vm_lineage_is_base(ID "-12.raw"));
	assert_true(vm_lineage_is_base(KEY ".qcow2"));
	assert_false(vm_lineage_is_base(KEY "-1.qcow2"));
	assert_false(vm_lineage_is_base("../" ID ".raw"));
	assert_false(vm_lineage_is_base(ID));
	assert_false(vm_lineage_is_base("disk.raw"));
	assert_false(vm_lineage_is_base("volume-data.raw"));
	assert_false(vm_lineage_is_base(""));
}

static void
test_noted_and_changed(void **state)
{
	struct vm vm;

	open_vm(&vm, *state);
	assert_int_equal(2, vm_json_count(vm_json_get(vm.record, "chain")));
	assert_true(vm_lineage_has(vm.record, ID ".raw"));
	assert_false(vm_lineage_has(vm.record, "disk.qcow2"));
	is_accepted(&vm);
	assert_int_equal(0, fchmodat(vm.dir_fd, KEY ".qcow2", 0464, 0));
	is_refused(&vm, "base_changed");
	assert_true(vm_lineage_seal(vm.record, vm.dir_fd, KEY ".qcow2"));
	is_accepted(&vm);
	assert_false(vm_lineage_seal(vm.record, vm.dir_fd, KEY ".qcow2"));
	set_time(&vm, ID ".raw", 1795398592, 410802981);
	is_refused(&vm, "base_changed");
	/* not only the mode: that is not given back */
	assert_int_equal(0, fchmodat(vm.dir_fd, ID ".raw", 0644, 0));
	assert_false(vm_lineage_seal(vm.record, vm.dir_fd, ID ".raw"));
	assert_int_equal(0, unlinkat(vm.dir_fd, ID ".raw", 0));
	is_refused(&vm, "base_missing");
	assert_int_equal(0, symlinkat(KEY ".qcow2", vm.dir_fd, ID ".raw"));
	is_refused(&vm, "base_changed");
	close_vm(&vm);
}

/* Through jq(1) 1795398592410801981 becomes 1795398592410802000. */
static void
test_rounded_time(void **state)
{
	struct vm vm;

	open_vm(&vm, *state);
	for (size_t i = 0; i < 2; i++) {
		struct vm_json *facts = vm_json_at(vm_json_get(vm.record,
						       "chain"),
		    i);
		int64_t ns = vm_json_int(facts, "mtime_ns", 0);

		assert_int_equal(0,
		    vm_json_set_int(facts, "mtime_ns", (ns + 50) / 100 * 100,
			NULL));
	}
	is_accepted(&vm);
	close_vm(&vm);
}

static void
test_replaced_and_moved(void **state)
{
	const struct fixture *f = *state;
	char object[192], file[320];
	struct vm vm;

	open_vm(&vm, f);
	/* the same in all but its inode */
	assert_int_equal(0, renameat(vm.dir_fd, ID ".raw", vm.dir_fd, "kept"));
	put(&vm, ID ".raw", "master", 0444);
	set_time(&vm, ID ".raw", 1795398592, 410801981);
	is_refused(&vm, "base_changed");
	assert_false(vm_lineage_is_same(vm.record, vm.dir_fd, ID ".raw"));
	/* it is the store's own: that was looked at when it was published */
	snprintf(object, sizeof(object), "%s/images/" ID, f->root);
	assert_int_equal(0, mkdir(object, 0750));
	snprintf(file, sizeof(file), "%s/" ID ".raw", object);
	assert_int_equal(0, linkat(vm.dir_fd, ID ".raw", AT_FDCWD, file, 0));
	is_accepted(&vm);
	assert_int_equal(0, unlink(file));
	is_refused(&vm, "base_changed");
	/* another lock, too: the whole store was moved */
	assert_int_equal(0, renameat(vm.dir_fd, "lock", vm.dir_fd, "kept2"));
	put(&vm, "lock", "", 0600);
	is_accepted(&vm);
	assert_int_equal(0, vm_lineage_renew(vm.record, vm.dir_fd, NULL));
	assert_true(vm_lineage_is_same(vm.record, vm.dir_fd, ID ".raw"));
	/* from here on a replacement is seen again */
	assert_int_equal(0, renameat(vm.dir_fd, "kept", vm.dir_fd, ID ".raw"));
	is_refused(&vm, "base_changed");
	close_vm(&vm);
}

static void
test_hostile_facts(void **state)
{
	static const char *const chains[] = { "[null]", "[{}]", "[[]]",
		"[{\"name\":\"../../vms/b/x.raw\"}]",
		"[{\"name\":\"disk.qcow2\"}]", "[{\"name\":7}]" };
	static const char huge[] = "[{\"name\":\"" ID ".raw\",\"file_size\":6,"
				   "\"mtime_ns\":-9223372036854775808,"
				   "\"inode\":9223372036854775807}]";
	struct vm vm;

	open_vm(&vm, *state);
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		assert_int_equal(0,
		    vm_json_set(vm.record, "chain",
			vm_json_parse(chains[i], strlen(chains[i]), NULL),
			NULL));
		is_refused(&vm, "vm_damaged");
	}
	assert_int_equal(0,
	    vm_json_set(vm.record, "chain",
		vm_json_parse(huge, strlen(huge), NULL), NULL));
	is_refused(&vm, "base_changed");
	/* a version that noted nothing */
	vm_json_delete(vm.record, "chain");
	is_accepted(&vm);
	assert_true(vm_lineage_has(vm.record, "anything.raw"));
	assert_int_equal(0, vm_lineage_renew(vm.record, vm.dir_fd, NULL));
	assert_int_equal(2, vm_json_count(vm_json_get(vm.record, "chain")));
	close_vm(&vm);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		FIXTURE_TEST(test_noted_and_changed),
		FIXTURE_TEST(test_rounded_time),
		FIXTURE_TEST(test_replaced_and_moved),
		FIXTURE_TEST(test_hostile_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
