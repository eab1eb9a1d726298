/* What vmgc decides and takes: reach, ages, clocks, races, full disks. */
#include "lib/reclaim/prune.h"

#include "lib/store/alias.h"
#include "lib/store/chain.h"
#include "lib/store/lock.h"
#include "lib/store/pin.h"
#include "test/store_objects.h"

#define DAY 86400
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define KEY "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static void
put_image(struct vm_store *store, const char *id)
{
	VM_CLEAN_JSON struct vm_json *facts = vm_json_new_object();
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	char name[96], master[8192] = "master";

	snprintf(name, sizeof(name), "%s.raw", id);
	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, name, 0444, master, sizeof(master),
		NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, "chunks", 0444, "digest", 6, NULL));
	assert_int_equal(0, vm_json_set_int(facts, "virtual_size", 512, NULL));
	assert_int_equal(0, vm_image_publish(store, &publish, id, facts, NULL));
	vm_use_note(store, VM_STORE_IMAGES, id);
}

static void
put_layer(struct vm_store *store)
{
	VM_CLEAN_JSON struct vm_json *facts = vm_json_new_object();
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	VM_CLEAN_CHAIN struct vm_chain base = { 0 };

	assert_int_equal(0, vm_chain_open_image(store, A, &base, NULL));
	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, KEY ".qcow2", 0444, "layer", 5, NULL));
	assert_int_equal(0, vm_chain_link(&base, &publish, NULL));
	assert_int_equal(0,
	    vm_chain_publish_layer(store, &publish, &base, KEY, facts, NULL));
}

/* A VM on image A. */
static void
put_vm(struct vm_store *store, const char *name, const char *text)
{
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	VM_CLEAN_CHAIN struct vm_chain base = { 0 };

	assert_int_equal(0, vm_chain_open_image(store, A, &base, NULL));
	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	assert_int_equal(0, vm_chain_link(&base, &publish, NULL));
	assert_int_equal(0,
	    vm_publish_write(&publish, "vm.json", 0600, text, strlen(text),
		NULL));
	assert_int_equal(0,
	    vm_publish_commit(&publish, VM_STORE_VMS, name, VM_PUBLISH_NEW,
		NULL));
}

static void
set_alias(struct vm_store *store, const char *id)
{
	struct vm_alias alias;

	assert_int_equal(0,
	    vm_alias_set(store, "base", id, "/x", &alias, NULL));
}

/* As if so much time had passed since boot and on the wall. */
static struct vm_use_reading
after(int64_t uptime_s, int64_t wall_s)
{
	struct vm_use_reading now;

	assert_int_equal(0, vm_use_read_time(&now, NULL));
	now.uptime_s += uptime_s;
	now.wall_s += wall_s;
	return now;
}

static struct vm_prune_options
options_after(int64_t seconds)
{
	return (struct vm_prune_options){ .now = after(seconds, seconds),
		.keep_ms = VM_PRUNE_KEEP_MS,
		.keep_current = true };
}

/* The kinds and states of what goes, "image:removed trash:kept". */
static void
assert_prune(struct vm_store *store, const struct vm_prune_options *options,
    const char *expected)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	struct vm_error err = { 0 };
	char text[512] = "";

	if (vm_prune_run(store, options, &records, &err) == -1)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < records.count; i++) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s:%s",
		    i == 0 ? "" : " ",
		    vm_json_string(records.items[i], "kind", ""),
		    vm_json_string(records.items[i],
			options->dry_run ? "planned" : "state", ""));
	}
	assert_string_equal(expected, text);
}

static void
test_by_age(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	struct vm_prune_options options = options_after(31 * DAY);

	put_image(store, A);
	put_image(store, B);
	set_alias(store, A);
	set_alias(store, B);
	options.dry_run = true;
	assert_prune(store, &options, "image:remove");
	options.dry_run = false;
	options.now = after(29 * DAY, 29 * DAY);
	assert_prune(store, &options, "");
	options.now = after(31 * DAY, 31 * DAY);
	assert_prune(store, &options, "image:removed"); /* A, base@1 */
	assert_int_equal(1, fixture_count(store, VM_STORE_IMAGES));
	options.keep_current = false;
	assert_prune(store, &options, "image:removed");
	assert_int_equal(0, fixture_count(store, VM_STORE_IMAGES));
	assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
}

/* A VM keeps its image, a layer too; from the top down they go. */
static void
test_reach(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	struct vm_prune_options options = options_after(31 * DAY);

	put_image(store, A);
	put_vm(store, "vm", "{}");
	options.has_max_space = true;
	assert_prune(store, &options, "");
	assert_int_equal(0,
	    vm_publish_trash(store, VM_STORE_VMS, "vm", NULL, NULL));
	options.now = after(DAY, DAY);
	assert_prune(store, &options, "");
	put_layer(store);
	options.now = after(31 * DAY, 31 * DAY);
	assert_prune(store, &options,
	    "trash:removed layer:removed image:removed");
}

/* Never by a clock alone: jumps in either direction, with and without boot. */
static void
test_clock_jumps(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	struct vm_prune_options options = options_after(0);
	int64_t years = 10 * 365 * (int64_t)DAY;

	put_image(store, A);
	put_vm(store, "vm", "{}");
	assert_int_equal(0,
	    vm_publish_trash(store, VM_STORE_VMS, "vm", NULL, NULL));
	options.keep_current = false;
	for (int boots = 0; boots < 2; boots++)
		for (int ahead = 0; ahead < 2; ahead++) {
			options.now = after(60, ahead ? years : -years);
			if (boots)
				options.now.boot[0] = 'x';
			options.dry_run = true;
			assert_prune(store, &options, "");
		}
	/* it has jumped ahead: fresh things count from then on */
	options.dry_run = false;
	options.now = after(60, years);
	assert_prune(store, &options, "");
	options.now = after(60 + 6 * DAY, years + 6 * DAY);
	assert_prune(store, &options, "");
	options.now = after(60 + 8 * DAY, years + 8 * DAY);
	assert_prune(store, &options, "trash:removed");
	/* back again, and long enough after that */
	options.now = after(60 + 9 * DAY, 9 * DAY);
	assert_prune(store, &options, "");
	options.now = after(60 + 40 * DAY, 40 * DAY);
	assert_prune(store, &options, "image:removed");
}

/* A clock that nobody noted says nothing about ages. */
static void
test_clock_lost(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	struct vm_prune_options options = options_after(31 * DAY);
	int locks = store->fds[VM_STORE_LOCKS];

	put_image(store, A);
	assert_int_equal(0, unlinkat(locks, "clock", 0));
	assert_prune(store, &options, "");
	assert_int_equal(0,
	    vm_publish_file(store, locks, "clock", 0640, "?\n", 2, true, NULL));
	assert_prune(store, &options, "");
}

/* The order of uses holds though the clock stands in the past. */
static void
test_order_of_uses(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	const struct timespec ahead[2] = { { 0, UTIME_OMIT },
		{ 4000000000, 999999999 } };
	struct vm_prune_options options = options_after(0);
	VM_CLEAN_FD int fd = -1;

	put_image(store, A);
	put_image(store, B);
	assert_true(vm_use_last(store, VM_STORE_IMAGES, A) <
	    vm_use_last(store, VM_STORE_IMAGES, B));
	assert_int_equal(0,
	    utimensat(store->fds[VM_STORE_LOCKS], "clock", ahead, 0));
	vm_use_note(store, VM_STORE_IMAGES, B);
	vm_use_note(store, VM_STORE_IMAGES, A);
	assert_true(vm_use_last(store, VM_STORE_IMAGES, B) <
	    vm_use_last(store, VM_STORE_IMAGES, A));
	assert_true(vm_use_last(store, VM_STORE_IMAGES, B) >
	    (int64_t)4000000000 * 1000000000);
	options.has_max_space = true;
	options.max_space = 28 << 10; /* one of them and the rest */
	assert_prune(store, &options, "image:removed");
	fd = vm_store_open_object(store, VM_STORE_IMAGES, A, NULL);
	assert_true(fd >= 0);
}

static void
test_pins_and_leases(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	struct vm_prune_options options = options_after(60);
	struct vm_pin_change change = { .pin = true };
	struct vm_error err = { 0 };

	put_image(store, A);
	options.keep_ms = 0;
	options.keep_current = false;
	options.has_max_space = true;
	assert_int_equal(0, vm_pin_change(store, A, &change, NULL));
	assert_prune(store, &options, "");
	change = (struct vm_pin_change){ .unpin = true };
	assert_int_equal(0, vm_pin_change(store, A, &change, NULL));
	change = (struct vm_pin_change){ .lease = true,
		.lease_ms = (uint64_t)DAY * 1000 };
	assert_int_equal(0, vm_pin_change(store, A, &change, NULL));
	assert_prune(store, &options, "");
	options.now = after(60, 2 * DAY); /* the clock's doing alone */
	options.dry_run = true;
	assert_prune(store, &options, "");
	options.dry_run = false;
	options.now = after(2 * DAY, 2 * DAY);
	assert_prune(store, &options, "image:removed");
	assert_int_equal(-1, vm_pin_change(store, A, &change, &err));
	assert_string_equal("not_found", err.code);
}

/* A damaged pin is one: the image stays until it is written anew. */
static void
test_damaged_pin(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	struct vm_prune_options options = options_after(60);
	const struct vm_pin_change unpin = { .unpin = true };
	VM_CLEAN_FD int fd = -1;

	put_image(store, A);
	fd = vm_store_open_object(store, VM_STORE_IMAGES, A, NULL);
	assert_int_equal(0,
	    vm_publish_file(store, fd, "keep", 0640, "{", 1, true, NULL));
	options.keep_ms = 0;
	options.keep_current = false;
	assert_prune(store, &options, "");
	assert_int_equal(0, vm_pin_change(store, A, &unpin, NULL));
	assert_prune(store, &options, "image:removed");
}

/* Uploaded files: those that a VM's record names stay. */
static void
test_files(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	struct vm_prune_options options = options_after(31 * DAY);
	int files = store->fds[VM_STORE_FILES];

	assert_int_equal(0,
	    vm_publish_file(store, files, A, 0400, "a", 1, false, NULL));
	assert_int_equal(0,
	    vm_publish_file(store, files, B, 0400, "b", 1, false, NULL));
	put_image(store, A);
	put_vm(store, "vm", "{\"sha256\":\"" B "\"}");
	assert_prune(store, &options, "file:removed");
	assert_int_equal(0, faccessat(files, B, F_OK, 0));
}

/* Parts and litter: those that somebody has locked stay. */
static void
test_work_of_others(void **state)
{
	VM_CLEAN_STORE struct vm_store *store = fixture_open(*state, NULL);
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	struct vm_prune_options options = options_after(8 * DAY);
	VM_CLEAN_FD int lock = -1;

	put_image(store, A);
	assert_int_equal(0, vm_publish_begin(store, &publish, NULL));
	assert_int_equal(0, mkdirat(store->fds[VM_STORE_TMP], "litter", 0750));
	assert_int_equal(0, mkdirat(store->fds[VM_STORE_INCOMING], A, 0750));
	lock = vm_lock_named(store, "fetch-" A, VM_LOCK_NO_WAIT, NULL);
	assert_true(lock >= 0);
	assert_prune(store, &options, "litter:removed");
	close(VM_TAKE_FD(lock));
	assert_prune(store, &options, "part:removed");
	assert_int_equal(1, fixture_count(store, VM_STORE_TMP));
}

/* Killed, or refused, at each point: whole things or litter, and then done. */
static void
test_faults(void **state)
{
	static const char *const at[] = { "rename", "unlink", "fsync_dir" };
	static const char *const how[] = { "kill", "ENOSPC" };
	const struct fixture *f = *state;
	size_t reached = 0;

	for (size_t i = 0; i < 6; i++)
		for (int nth = 1, status = 1; status != 0; nth++) {
			char fault[64], command[256];
			struct vm_prune_options options = options_after(31 *
			    DAY);
			VM_CLEAN_RECORDS struct vm_records records = { 0 };
			VM_CLEAN_STORE struct vm_store *store = NULL;
			pid_t pid;

			snprintf(command, sizeof(command), "%s", f->root);
			nftw(command, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
			store = fixture_open(f, NULL);
			put_image(store, A);
			put_image(store, B);
			put_vm(store, "vm", "{}");
			put_vm(store, "stays", "{}");
			assert_int_equal(0,
			    vm_publish_trash(store, VM_STORE_VMS, "vm", NULL,
				NULL));
			snprintf(fault, sizeof(fault), "%s:%d:%s", at[i / 2],
			    nth, how[i % 2]);
			pid = fork();
			if (pid == 0) {
				store = fixture_open(f, fault);
				status = vm_prune_run(store, &options, &records,
				    NULL);
				for (size_t j = 0; j < records.count; j++)
					if (vm_record_is_failed(
						records.items[j]))
						status = -1;
				_exit(status == 0 ? 0 : 1);
			}
			assert_int_equal(pid, waitpid(pid, &status, 0));
			reached += status != 0;
			options.now = after(31 * DAY, 31 * DAY);
			assert_int_equal(0,
			    vm_prune_run(store, &options, &records, NULL));
			assert_int_equal(1,
			    fixture_count(store, VM_STORE_IMAGES));
			assert_int_equal(0, fixture_count(store, VM_STORE_TMP));
			assert_int_equal(0,
			    fixture_count(store, VM_STORE_TRASH));
			assert_int_equal(1, fixture_count(store, VM_STORE_VMS));
			if (nth > 60)
				fail_msg("%s never ends", fault);
		}
	print_message("%zu reached\n", reached);
	assert_true(reached > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_by_age),
		FIXTURE_TEST(test_reach),
		FIXTURE_TEST(test_clock_jumps),
		FIXTURE_TEST(test_clock_lost),
		FIXTURE_TEST(test_order_of_uses),
		FIXTURE_TEST(test_pins_and_leases),
		FIXTURE_TEST(test_damaged_pin),
		FIXTURE_TEST(test_files),
		FIXTURE_TEST(test_work_of_others),
		FIXTURE_TEST(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
