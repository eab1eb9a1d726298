#include "test/unit.h"

#include <string.h>

#include "lib/base/proc.h"
#include "lib/source/ssh.h"
#include "lib/source/ssh_url.h"

static void
test_parts(void **state)
{
	static const struct {
		const char *text, *user, *host, *port, *path;
	} cases[] = {
		{ "ssh://host/a/b", "", "host", "", "/a/b" },
		{ "ssh://amy@host.example:22/a", "amy", "host.example", "22",
		    "/a" },
		{ "ssh://host/~/x%20y", "", "host", "", "./x y" },
		{ "ssh://[::1]:2222/a", "", "::1", "2222", "/a" },
		{ "ssh://[fe80::1]/a%3Fb", "", "fe80::1", "", "/a?b" },
		{ "ssh://my_host/a'b;c$(d)", "", "my_host", "", "/a'b;c$(d)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_ssh_url url VM_CLEAN_SSH_URL = { 0 };
		struct vm_error err = { 0 };

		assert_int_equal(0,
		    vm_ssh_url_parse(cases[i].text, &url, &err));
		assert_string_equal(cases[i].user, url.user);
		assert_string_equal(cases[i].host, url.host);
		assert_string_equal(cases[i].port, url.port);
		assert_string_equal(cases[i].path, url.path);
	}
}

static void
test_refused(void **state)
{
	static const char *const texts[] = { "ssh://", "ssh://host", "ssh:///a",
		"ssh://host/", "ssh://host/a/", "ssh://-oProxyCommand=x/a",
		"ssh://-oProxyCommand=touch /tmp/p/a", "ssh://a;b@host/a",
		"ssh://-l@host/a", "ssh://$(x)@host/a", "ssh://user:pw@host/a",
		"ssh://@host/a", "ssh://host:/a", "ssh://host:0/a",
		"ssh://host:65536/a", "ssh://host:22x/a", "ssh://ho st/a",
		"ssh://host%0a/a", "ssh://[::1/a", "ssh://[]/a",
		"ssh://[::1]x/a", "ssh://[-o::1]/a", "ssh://host/a%0ab",
		"ssh://host/a%00b", "ssh://host/a%zz", "ssh://host/a%2",
		"ssh://host/a?b", "ssh://host/a#b", "ssh://host/a\nb",
		"http://host/a" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct vm_error err = { 0 };

		assert_int_equal(-1, vm_ssh_check(texts[i], &err));
		assert_int_equal(VM_E_USAGE, err.kind);
		assert_null(strstr(err.message, "pw"));
	}
}

/* What the command does in a real shell, whatever the path looks like. */
static int
run(const char *path, uint64_t offset, struct vm_proc_result *result)
{
	char text[64];
	struct vm_ssh_url url = { .path = text };
	struct vm_error err = { 0 };
	char *command VM_CLEAN_FREE = NULL;
	const char *argv[] = { "sh", "-c", NULL, NULL };
	const struct vm_proc_options options = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};

	snprintf(text, sizeof(text), "%s", path);
	command = vm_ssh_url_command(&url, offset, &err);
	assert_non_null(command);
	argv[2] = command;
	assert_int_equal(0, vm_proc_run(&options, result, &err));
	return result->status;
}

static void
test_command(void **state)
{
	char path[] = "/tmp/vmpipe'-$(touch p); \"XXXXXX";
	struct vm_proc_result whole VM_CLEAN_PROC = { 0 };
	struct vm_proc_result rest VM_CLEAN_PROC = { 0 };
	struct vm_proc_result absent VM_CLEAN_PROC = { 0 };
	struct vm_proc_result directory VM_CLEAN_PROC = { 0 };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(6, write(fd, "abc\ndx", 6));
	close(fd);
	assert_int_equal(0, run(path, 0, &whole));
	assert_string_equal("6\nabc\ndx", whole.out.data);
	assert_int_equal(0, run(path, 5, &rest));
	assert_string_equal("6\nx", rest.out.data);
	assert_int_equal(0, unlink(path));
	assert_int_equal(VM_E_NO_INPUT, run(path, 0, &absent));
	assert_int_equal(VM_E_DATA, run("/", 0, &directory));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
