#include "test/unit.h"

#include <string.h>

#include "lib/view/view.h"
#include "lib/view/view_sort.h"

/* Records from a JSON array. */
static void
load(const char *text, struct vm_records *records)
{
	VM_CLEAN_JSON struct vm_json *all = NULL;

	all = vm_json_parse(text, strlen(text), NULL);
	assert_non_null(all);
	for (size_t i = 0; i < vm_json_count(all); i++)
		assert_int_equal(vm_records_add(records,
				     vm_json_copy(vm_json_at(all, i)), NULL),
		    0);
}

static void
expect_order(const char *text, const char *field, bool descending,
    const char *wanted)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_BUF struct vm_buf names = { 0 };

	load(text, &records);
	vm_view_sort(&records, field, descending);
	for (size_t i = 0; i < records.count; i++)
		assert_int_equal(
		    vm_buf_add_string(&names,
			vm_json_string(records.items[i], "name", ""), NULL),
		    0);
	assert_string_equal(names.data != NULL ? names.data : "", wanted);
}

static void
test_sort(void **state)
{
	static const char vms[] =
	    "[{\"name\":\"b10\",\"used\":5,\"drift\":[1,2]},"
	    "{\"name\":\"b2\",\"used\":1000,\"drift\":[]},"
	    "{\"name\":\"a\",\"used\":5,\"drift\":[1]},"
	    "{\"name\":\"c\"}]";

	(void)state;
	expect_order(vms, NULL, false, "ab2b10c");
	expect_order(vms, NULL, true, "cb10b2a");
	expect_order(vms, "used", false, "ab10b2c");
	/* what has no such member is last either way */
	expect_order(vms, "used", true, "b2ab10c");
	expect_order(vms, "drift", false, "b2ab10c");
	expect_order("[]", "used", false, "");
}

static const char vms_text[] =
    "[{\"name\":\"shop-web-1\",\"service\":\"shop\",\"role\":\"web\","
    "\"ssh\":{\"user\":\"root\",\"host\":\"127.0.0.1\",\"port\":40022},"
    "\"identity\":{\"hostname\":\"web1.example\","
    "\"ssh_host_keys\":[\"ssh-ed25519 AAAA\",\"bad\\nkey\"],"
    "\"nics\":[{\"address\":\"10.0.0.13/24\"},{\"mac\":\"52:54\"}]}},"
    "{\"name\":\"cold\",\"identity\":{\"nics\":[{}]}},"
    "{\"name\":\"evil\",\"ssh\":{\"user\":\"root\\n ProxyCommand x\","
    "\"host\":\"h\",\"port\":1},\"identity\":{\"nics\":["
    "{\"address\":\"1.2.3.4 bank.example\"}]}},"
    "{\"name\":\"shop-web-2\",\"service\":\"shop\",\"role\":\"web\","
    "\"ssh\":{\"user\":\"root\",\"host\":\"127.0.0.1\",\"port\":40023}}]";

static void
expect_export(const char *format_word, const char *wanted)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	enum vm_view_format format;
	struct vm_error err = { 0 };

	load(vms_text, &records);
	assert_int_equal(vm_view_parse_format(format_word, &format, &err), 0);
	assert_int_equal(vm_view_export(&records, format, &out, &err), 0);
	assert_string_equal(out.data, wanted);
}

static void
test_export(void **state)
{
	struct vm_error err = { 0 };
	enum vm_view_format format;

	(void)state;
	expect_export("ssh-config",
	    "Host shop-web-1\n\tHostName 127.0.0.1\n\tPort 40022\n"
	    "\tUser root\n\tHostKeyAlias shop-web-1\n"
	    "\tStrictHostKeyChecking yes\n"
	    "Host shop-web-2\n\tHostName 127.0.0.1\n\tPort 40023\n"
	    "\tUser root\n\tHostKeyAlias shop-web-2\n"
	    "\tStrictHostKeyChecking yes\n");
	expect_export("known-hosts",
	    "shop-web-1,[127.0.0.1]:40022 ssh-ed25519 AAAA\n");
	expect_export("hosts", "10.0.0.13\tshop-web-1 web1.example\n");
	expect_export("ansible",
	    "[shop_web]\n"
	    "shop-web-1 ansible_host=127.0.0.1 ansible_port=40022 "
	    "ansible_user=root\n"
	    "shop-web-2 ansible_host=127.0.0.1 ansible_port=40023 "
	    "ansible_user=root\n"
	    "\n[ungrouped]\n");
	assert_int_equal(vm_view_parse_format("ssh_config", &format, &err), -1);
	assert_string_equal(err.message,
	    "ssh_config: no such format (did you mean ssh-config?)");
}

static void
test_words(void **state)
{
	struct vm_error err = { 0 };
	enum vm_view_type type;

	(void)state;
	assert_int_equal(vm_view_parse_type("layer", &type, &err), 0);
	assert_int_equal(type, VM_VIEW_LAYERS);
	assert_int_equal(vm_view_parse_type("images", &type, &err), -1);
	assert_int_equal(err.kind, VM_E_USAGE);
	assert_string_equal(err.message,
	    "images: no such type (did you mean image?)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_export),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
