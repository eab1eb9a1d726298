#include "test/unit.h"

#include "lib/guest/fake_engine.h"
#include "lib/guest/tree.h"

#define ENGINE(state)                                                          \
	struct fake *fake = *(state);                                          \
	const struct vm_engine engine = { &fake_ops, fake };                   \
	struct vm_error err = { 0 }

static int
write_text(const struct vm_engine *engine, const char *path, const char *text,
    struct vm_error *err)
{
	return vm_tree_write(engine, path, text, strlen(text), &vm_tree_keep,
	    err);
}

static void
test_paths(void **state)
{
	static const char *const bad[] = { "", "etc", "/etc/", "//etc",
		"/etc/../root", "/..", "/.", "/etc/./x", "/etc/.." };
	struct vm_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(-1, vm_tree_check_path(bad[i], &err));
		assert_string_equal("bad_path", err.code);
	}
	assert_int_equal(0, vm_tree_check_path("/", &err));
	assert_int_equal(0, vm_tree_check_path("/etc/.hidden", &err));
	assert_int_equal(0, vm_tree_check_path("/etc/a..b/...", &err));
}

static void
test_write_keeps_mode(void **state)
{
	ENGINE(state);

	assert_int_equal(0, write_text(&engine, "/etc/new", "1\n", &err));
	assert_int_equal(0644, fake_mode(fake, "/etc/new"));
	assert_int_equal(0, vm_tree_chmod(&engine, "/etc/new", 0600, &err));
	assert_int_equal(0, write_text(&engine, "/etc/new", "2\n", &err));
	assert_int_equal(0600, fake_mode(fake, "/etc/new"));
	fake_assert(fake, "/etc/new", "2\n");
}

/* CASES U01 */
static void
test_links_are_refused(void **state)
{
	static const char *const targets[] = { "/etc/shadow",
		"../../../../etc/passwd", "/nowhere", "hostname" };
	ENGINE(state);

	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		fake_link(fake, targets[i], "/etc/hostname");
		assert_int_equal(-1,
		    write_text(&engine, "/etc/hostname", "x\n", &err));
		assert_string_equal("guest_symlink", err.code);
		assert_int_equal(VM_E_DATA, err.kind);
	}
	fake_assert(fake, "/etc/shadow",
	    "root:!*:19000:0:99999:7:::\n"
	    "amy:*:19000:0:99999:7:::\n");
}

static void
test_linked_directories(void **state)
{
	ENGINE(state);

	fake_link(fake, "/root", "/etc/away");
	assert_int_equal(-1, write_text(&engine, "/etc/away/x", "x", &err));
	assert_string_equal("guest_symlink", err.code);
	assert_int_equal(-1,
	    vm_tree_make_dirs(&engine, "/etc/away/d", &vm_tree_keep, &err));
	assert_string_equal("guest_symlink", err.code);
	assert_int_equal(-1,
	    vm_tree_remove(&engine, "/etc/away/.bashrc", &err));
	assert_int_equal(0644, fake_mode(fake, "/root/.bashrc"));
	/* but merged /usr is as good as a directory */
	fake_put(fake, "/usr/lib/os-release", "ID=x\n");
	fake_link(fake, "usr/lib", "/lib");
	assert_int_equal(0, write_text(&engine, "/lib/x", "x", &err));
	fake_assert(fake, "/usr/lib/x", "x");
}

static void
test_no_directory(void **state)
{
	ENGINE(state);

	assert_int_equal(-1, write_text(&engine, "/opt/a/b", "x", &err));
	assert_string_equal("guest_no_directory", err.code);
	assert_int_equal(0,
	    vm_tree_make_dirs(&engine, "/opt/a/b",
		&(struct vm_tree_attr){ 0700, 0, 0 }, &err));
	assert_int_equal(0755, fake_mode(fake, "/opt/a"));
	assert_int_equal(0700, fake_mode(fake, "/opt/a/b"));
	/* again: nothing to do */
	assert_int_equal(0,
	    vm_tree_make_dirs(&engine, "/opt/a/b", &vm_tree_keep, &err));
	assert_int_equal(0700, fake_mode(fake, "/opt/a/b"));
	assert_int_equal(-1, write_text(&engine, "/opt/a", "x", &err));
	assert_string_equal("guest_not_file", err.code);
	assert_int_equal(-1,
	    vm_tree_make_dirs(&engine, "/etc/passwd/x", &vm_tree_keep, &err));
}

static void
test_append(void **state)
{
	ENGINE(state);

	fake_put(fake, "/etc/list", "a");
	for (int i = 0; i < 2; i++)
		assert_int_equal(0,
		    vm_tree_append_line(&engine, "/etc/list", "b", true,
			&vm_tree_keep, &err));
	fake_assert(fake, "/etc/list", "a\nb\n");
	assert_int_equal(0,
	    vm_tree_append_line(&engine, "/etc/list", "b", false, &vm_tree_keep,
		&err));
	fake_assert(fake, "/etc/list", "a\nb\nb\n");
}

static void
test_link_and_remove(void **state)
{
	ENGINE(state);

	assert_int_equal(0,
	    vm_tree_link(&engine, "/etc/passwd", "/etc/hostname", &err));
	assert_int_equal(0,
	    vm_tree_link(&engine, "hosts", "/etc/hostname", &err));
	assert_int_equal(-1, vm_tree_link(&engine, "x", "/etc/skel", &err));
	assert_string_equal("guest_is_directory", err.code);
	/* the link goes, not what it points to */
	assert_int_equal(0, vm_tree_remove(&engine, "/etc/hostname", &err));
	assert_int_equal(0644, fake_mode(fake, "/etc/hosts"));
	assert_int_equal(0, vm_tree_remove(&engine, "/etc/skel", &err));
	assert_int_equal(0, vm_tree_remove(&engine, "/etc/skel", &err));
	assert_int_equal(-1, vm_tree_remove(&engine, "/", &err));
}

/* A full guest: the old file stays and nothing is left beside it. */
static void
test_full(void **state)
{
	ENGINE(state);
	VM_CLEAN_BUF struct vm_buf names = { 0 };

	fake->full = true;
	assert_int_equal(-1, write_text(&engine, "/etc/hostname", "x\n", &err));
	assert_int_equal(VM_E_IO, err.kind);
	assert_string_equal("guest_full", err.code);
	fake_assert(fake, "/etc/hostname", "old\n");
	assert_int_equal(0, fake_glob(fake, "/etc/.vmpipe*", &names, &err));
	assert_int_equal(0, names.len);
}

int
main(void)
{
#define CASE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		CASE(test_write_keeps_mode),
		CASE(test_links_are_refused),
		CASE(test_linked_directories),
		CASE(test_no_directory),
		CASE(test_append),
		CASE(test_link_and_remove),
		CASE(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
