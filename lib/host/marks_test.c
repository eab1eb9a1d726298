/* marks_test.c - what VMs have in common, and what only looks like it. */
#include "lib/host/marks.h"

#include <stdio.h>
#include <string.h>

#include "test/unit.h"

/* The VMs of a JSON array compared: "1=0 uuid abc; 2=0 mac ..." */
static void
compare(const char *json, const char *expected)
{
	VM_CLEAN_JSON struct vm_json *all = vm_json_parse(json, strlen(json),
	    NULL);
	struct vm_error err = { 0 };
	VM_CLEAN_MARKS struct vm_marks *marks = vm_marks_new(&err);
	VM_CLEAN_FREE struct vm_mark_shared *shared = NULL;
	char out[1024] = "";
	size_t count = 9, i;

	assert_non_null(all);
	for (i = 0; i < vm_json_count(all); i++)
		assert_int_equal(0,
		    vm_marks_add(marks, vm_json_at(all, i), &err));
	shared = vm_marks_compare(marks, &count, &err);
	assert_non_null(shared);
	for (i = 0; i < count; i++)
		sprintf(out + strlen(out), "%s%zu=%zu %s %s", i > 0 ? "; " : "",
		    shared[i].vm, shared[i].with, vm_marks_word(shared[i].what),
		    shared[i].value);
	assert_string_equal(expected, out);
}

static void
test_nothing(void **state)
{
	(void)state;
	compare("[]", "");
	compare("[{}, {}, {\"identity\": 3}]", "");
	compare("[{\"name\":\"a\"}, {\"name\":\"b\"}]", "");
}

static void
test_each(void **state)
{
	(void)state;
	compare(
	    "[{\"name\":\"a\",\"identity\":{\"uuid\":\"AB\","
	    "\"machine_id\":\"m\",\"instance_id\":\"i\","
	    "\"generation_id\":\"g\"},\"private\":{\"random_seed\":\"s\"}},"
	    "{\"name\":\"b\"},"
	    "{\"name\":\"a\",\"identity\":{\"uuid\":\"ab\","
	    "\"machine_id\":\"m\",\"instance_id\":\"i\","
	    "\"generation_id\":\"g\"},\"private\":{\"random_seed\":\"s\"}}]",
	    "2=0 name a; 2=0 uuid ab; 2=0 machine-id m; 2=0 instance-id i; "
	    "2=0 generation-id g; 2=0 random-seed (secret)");
	/* another's machine-id is not one's UUID */
	compare("[{\"identity\":{\"uuid\":\"x\"}},"
		"{\"identity\":{\"machine_id\":\"x\"}}]",
	    "");
}

/* Each of three is said to share with the first, itself with nobody. */
static void
test_cards(void **state)
{
	(void)state;
	compare("[{\"identity\":{\"nics\":[{\"mac\":\"52:AA\"},"
		"{\"mac\":\"52:aa\"}]}},"
		"{\"identity\":{\"nics\":[{\"mac\":\"52:bb\"},"
		"{\"mac\":\"52:aA\"}]}},"
		"{\"identity\":{\"nics\":[{\"mac\":\"52:aa\"}]}}]",
	    "1=0 mac 52:aa; 2=0 mac 52:aa");
}

static void
test_keys(void **state)
{
	(void)state;
	compare("[{\"identity\":{\"ssh_host_keys\":[\"ssh-rsa AAA root@a\","
		"\"ssh-ed25519 BBB root@a\"]}},"
		"{\"identity\":{\"ssh_host_keys\":[\"ssh-rsa aaa root@a\","
		"\"ssh-ed25519 BBB\", 7]}}]",
	    "1=0 ssh-host-key ssh-ed25519 BBB");
}

#define ON(host, network, address)                                             \
	"{\"host\":\"" host "\",\"service\":\"s\",\"identity\":{\"nics\":[{"   \
	"\"network\":\"" network "\",\"address\":\"" address "\"}]}}"

static void
test_addresses(void **state)
{
	(void)state;
	compare("[" ON("h", "bridge:br0", "10.0.0.5/24") "," ON("i",
		    "bridge:br0", "10.0.0.5/16") "," ON("h", "bridge:br1",
		    "10.0.0.5/24") "," ON("h", "private:a",
		    "10.0.0.5/24") "," ON("i", "private:a",
		    "10.0.0.5/24") "," ON("h", "private:a",
		    "10.0.0.5/24") "," ON("h", "user",
		    "10.0.2.15/24") "," ON("h", "user", "10.0.2.15/24") "]",
	    "1=0 address 10.0.0.5 on bridge:br0; "
	    "5=3 address 10.0.0.5 on private:a of \"s\" on h");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_cards),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
