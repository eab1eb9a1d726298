#include "test/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/guest/args.h"
#include "test/store_fixture.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOpndzS81lhiRqcZsbFiXn49Adf"

/* What --option VALUE becomes. */
static void
is(const char *option, const char *value, const char *expected)
{
	VM_CLEAN_JSON struct vm_json *ops = vm_json_new_array();
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	struct vm_error err = { 0 };

	if (vm_args_add(ops, option, value, &err) == -1)
		fail_msg("%s", err.message);
	assert_int_equal(0, vm_json_format(ops, true, &out, &err));
	assert_string_equal(expected, out.data);
}

static void
is_usage(const char *option, const char *value)
{
	VM_CLEAN_JSON struct vm_json *ops = vm_json_new_array();
	struct vm_error err = { 0 };

	if (vm_args_add(ops, option, value, &err) == 0)
		fail_msg("--%s %s is taken", option, value);
	assert_int_equal(VM_E_USAGE, err.kind);
	assert_int_equal(0, vm_json_count(ops));
}

static void
test_options(void **state)
{
	(void)state;
	is("hostname", "web1", "[{\"hostname\":\"web1\"}]");
	is("timezone", "Etc/UTC", "[{\"timezone\":\"Etc/UTC\"}]");
	is("install", "a,g++", "[{\"install\":[\"a\",\"g++\"]}]");
	is("write", "/f:a:b {{name}}",
	    "[{\"write\":{\"content\":\"a:b {{name}}\",\"path\":\"/f\"}}]");
	is("append-line", "/f:x",
	    "[{\"append_line\":{\"line\":\"x\",\"path\":\"/f\"}}]");
	is("chmod", "755:/f",
	    "[{\"chmod\":{\"mode\":\"0755\",\"path\":\"/f\"}}]");
	is("upload", "a.txt:/f",
	    "[{\"upload\":{\"path\":\"/f\",\"source\":\"a.txt\"}}]");
	is("mkdir", "/d", "[{\"mkdir\":{\"path\":\"/d\"}}]");
	is("delete", "/d/*", "[{\"delete\":{\"path\":\"/d/*\"}}]");
	is("link", "t:/a:/b",
	    "[{\"link\":{\"path\":\"/a\",\"target\":\"t\"}},"
	    "{\"link\":{\"path\":\"/b\",\"target\":\"t\"}}]");
	is("run", "s.sh", "[{\"run\":{\"source\":\"s.sh\"}}]");
	is("run-command", "a; b", "[{\"run_command\":\"a; b\"}]");
	is("firstboot", "s.sh", "[{\"firstboot\":{\"source\":\"s.sh\"}}]");
	is("firstboot-command", "x", "[{\"firstboot_command\":\"x\"}]");
	is("ssh-inject", "root", "[{\"ssh_inject\":{\"user\":\"root\"}}]");
	is("ssh-inject", "root:file:k.pub",
	    "[{\"ssh_inject\":{\"file\":\"k.pub\",\"user\":\"root\"}}]");
	is("ssh-inject", "root:string:" KEY,
	    "[{\"ssh_inject\":{\"key\":\"" KEY "\",\"user\":\"root\"}}]");
	is("root-password", "disabled",
	    "[{\"root_password\":{\"hash\":\"*\"}}]");
}

/* CASES U05, U06 */
static void
test_refused(void **state)
{
	(void)state;
	is_usage("hostname", "$(reboot)");
	is_usage("hostname", "a\nb");
	is_usage("install", "-o=x");
	is_usage("install", "a,,b");
	is_usage("install", "");
	is_usage("write", "/f");
	is_usage("write", "f:x");
	is_usage("write", "/a/../b:x");
	is_usage("chmod", "999:/f");
	is_usage("link", "/only");
	is_usage("ssh-inject", "root:x:y");
	is_usage("ssh-inject", "root:string:not a key");
	is_usage("ssh-inject", "-x");
	is_usage("root-password", "plain");
	is_usage("root-password", "locked:disabled");
}

static void
test_passwords(void **state)
{
	struct fixture *f = *state;
	VM_CLEAN_JSON struct vm_json *ops = vm_json_new_array();
	struct vm_error err = { 0 };
	char path[128];
	FILE *file;

	snprintf(path, sizeof path, "%s/pw", f->dir);
	file = fopen(path, "w");
	fputs("geheim\n", file);
	fclose(file);
	snprintf(path, sizeof path, "file:%s/pw", f->dir);
	assert_int_equal(0,
	    vm_args_add(ops, "root-password", "password:geheim", &err));
	assert_int_equal(0, vm_args_add(ops, "root-password", path, &err));
	for (size_t i = 0; i < 2; i++) {
		const char *hash = vm_json_string(vm_json_at(ops, i),
		    "root_password.hash", "");

		assert_memory_equal("$6$", hash, 3);
		assert_null(strstr(hash, "geheim"));
	}
	snprintf(path, sizeof path, "file:%s/none", f->dir);
	assert_int_equal(-1, vm_args_add(ops, "root-password", path, &err));
	assert_int_equal(VM_E_NO_INPUT, err.kind);
}

/* Files go into the store by content, the caller's newest key is taken. */
static void
test_import(void **state)
{
	struct fixture *f = *state;
	VM_CLEAN_JSON struct vm_json *ops = vm_json_new_array();
	VM_CLEAN_STORE struct vm_store *store = NULL;
	struct vm_error err = { 0 };
	char path[200], text[300];
	const char *hex;
	FILE *file;

	setenv("HOME", f->dir, 1);
	store = vm_store_open(f->root, true, &err);
	assert_non_null(store);
	snprintf(path, sizeof path, "%s/up", f->dir);
	file = fopen(path, "w");
	fputs("abc", file);
	fclose(file);
	snprintf(text, sizeof text, "%s:/up", path);
	assert_int_equal(0, vm_args_add(ops, "upload", text, &err));
	assert_int_equal(0, vm_args_add(ops, "ssh-inject", "root", &err));
	assert_int_equal(-1, vm_args_import(store, ops, true, &err));
	assert_string_equal("no_key", err.code);
	assert_string_equal("ssh-keygen -t ed25519", err.hint);

	snprintf(path, sizeof path, "%s/.ssh", f->dir);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/.ssh/id_ed25519.pub", f->dir);
	file = fopen(path, "w");
	fputs(KEY "\n", file);
	fclose(file);
	assert_int_equal(0, vm_args_import(store, ops, true, &err));
	hex = vm_json_string(vm_json_at(ops, 0), "upload.sha256", "");
	assert_string_equal("ba7816bf8f01cfea414140de5dae2223"
			    "b00361a396177a9cb410ff61f20015ad",
	    hex);
	assert_int_equal(-1,
	    faccessat(store->fds[VM_STORE_FILES], hex, F_OK, 0));
	assert_string_equal(KEY,
	    vm_json_string(vm_json_at(ops, 1), "ssh_inject.key", ""));
	vm_json_delete(vm_json_at(ops, 0), "upload.sha256");
	assert_int_equal(0, vm_args_import(store, ops, false, &err));
	hex = vm_json_string(vm_json_at(ops, 0), "upload.sha256", "");
	assert_int_equal(0,
	    faccessat(store->fds[VM_STORE_FILES], hex, F_OK, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_refused),
		cmocka_unit_test_setup_teardown(test_passwords, fixture_setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_import, fixture_setup,
		    fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
