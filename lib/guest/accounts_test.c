#include "test/unit.h"

#include <string.h>

#include "lib/guest/accounts.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
			     "rootless:x:1000:1000::/home/rootless:/bin/sh\n"
			     "amy:x:1001:1002::/home/amy:/bin/sh";

static void
load(struct vm_buf *text, const char *content)
{
	struct vm_error err = { 0 };

	assert_int_equal(0, vm_buf_add_string(text, content, &err));
}

static void
test_names(void **state)
{
	static const char *const bad[] = { "", "-x", "1a", "a b", "a:b", "a\nb",
		"Amy", "$", "\xc3\xa4", "a$b",
		"a12345678901234567890123456789012" };
	struct vm_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(-1, vm_accounts_check_name(bad[i], &err));
	assert_int_equal(0, vm_accounts_check_name("_www-data.2", &err));
	assert_int_equal(0, vm_accounts_check_name("host$", &err));
}

static void
test_fields(void **state)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	char field[VM_ACCOUNT_FIELD_MAX];
	struct vm_error err = { 0 };

	(void)state;
	load(&text, passwd);
	assert_true(vm_accounts_get(&text, "root", 5, field));
	assert_string_equal("/root", field);
	assert_true(vm_accounts_get(&text, "amy", 6, field));
	assert_string_equal("/bin/sh", field);
	assert_false(vm_accounts_get(&text, "amy", 7, field));
	assert_false(vm_accounts_has(&text, "am"));
	assert_false(vm_accounts_has(&text, "x"));
	assert_int_equal(0, vm_accounts_set(&text, "amy", 6, "/bin/zsh", &err));
	assert_int_equal(0, vm_accounts_set(&text, "root", 1, "", &err));
	assert_string_equal("root::0:0:root:/root:/bin/bash\n"
			    "rootless:x:1000:1000::/home/rootless:/bin/sh\n"
			    "amy:x:1001:1002::/home/amy:/bin/zsh",
	    text.data);
	assert_int_equal(-1, vm_accounts_set(&text, "bob", 1, "", &err));
	assert_string_equal("no_user", err.code);
	assert_int_equal(0, vm_accounts_add(&text, "bob:x:7:7::/:", &err));
	assert_non_null(strstr(text.data, "/bin/zsh\nbob:x:7:7::/:\n"));
}

static void
test_groups(void **state)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	load(&text, "sudo:x:27:amy2\nadm:x:4:\n");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(0,
		    vm_accounts_join(&text, "sudo", 3, "amy", &err));
		assert_int_equal(0,
		    vm_accounts_join(&text, "adm", 3, "amy", &err));
	}
	assert_string_equal("sudo:x:27:amy2,amy\nadm:x:4:amy\n", text.data);
	assert_int_equal(-1, vm_accounts_join(&text, "none", 3, "amy", &err));
	assert_string_equal("no_group", err.code);
}

static void
test_ids(void **state)
{
	VM_CLEAN_BUF struct vm_buf users = { 0 };
	VM_CLEAN_BUF struct vm_buf groups = { 0 };
	struct vm_error err = { 0 };
	uint32_t id;

	(void)state;
	load(&users, passwd);
	load(&groups, "a:x:1002:\nb:x:10030:\n");
	assert_int_equal(0, vm_accounts_free_id(&users, &groups, &id, &err));
	assert_int_equal(1003, id);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
