#include "test/unit.h"

#include "lib/adapt/crypto_hash.h"
#include "lib/guest/fake_engine.h"
#include "lib/guest/ops.h"
#include "lib/store/publish.h"

#define SYSTEMD "{\"init\":\"systemd\",\"packages\":\"apt\"}"
#define BUSYBOX "{\"init\":\"busybox\",\"packages\":\"none\"}"
#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 amy@host"

/* Run operations in the fake guest; the store is in a corner of it. */
static int
apply_in(struct fake *fake, const char *layout_text, const char *text,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *layout = vm_json_parse(layout_text,
	    strlen(layout_text), err);
	VM_CLEAN_JSON struct vm_json *ops = vm_json_parse(text, strlen(text),
	    err);
	VM_CLEAN_FREE char *root = vm_buf_printf(err, "%s/.store", fake->root);
	VM_CLEAN_STORE struct vm_store *store = vm_store_open(root, true, err);
	const struct vm_engine engine = { &fake_ops, fake };
	const struct vm_op_context context = { &engine, layout, store };

	assert_non_null(layout);
	assert_non_null(ops);
	assert_non_null(store);
	if (vm_ops_check(store, ops, err) == -1)
		return -1;
	return vm_ops_apply(&context, ops, err);
}

static void
apply(void **state, const char *text)
{
	struct vm_error err = { 0 };

	if (apply_in(*state, SYSTEMD, text, &err) == -1)
		fail_msg("%s", err.message);
}

static void
apply_fails(void **state, const char *layout, const char *text,
    const char *code)
{
	struct vm_error err = { 0 };

	assert_int_equal(-1, apply_in(*state, layout, text, &err));
	assert_string_equal(code, err.code);
}

/* Put bytes into files/ and give their digest. */
static void
keep(struct fake *fake, const char *data, size_t len,
    char hex[VM_HASH_SHA256_HEX])
{
	VM_CLEAN_FREE char *root = vm_buf_printf(NULL, "%s/.store", fake->root);
	VM_CLEAN_STORE struct vm_store *store = vm_store_open(root, true, NULL);

	assert_int_equal(0, vm_hash_sha256(data, len, hex, NULL));
	assert_int_equal(0,
	    vm_publish_file(store, store->fds[VM_STORE_FILES], hex, 0440, data,
		len, true, NULL));
}

static void
test_files(void **state)
{
	apply(state,
	    "[{\"mkdir\":{\"path\":\"/srv/a/b\",\"mode\":\"0750\"}},"
	    "{\"write\":{\"path\":\"/srv/a/b/f\",\"content\":\"x\\n\"}},"
	    "{\"append_line\":{\"path\":\"/srv/a/b/f\",\"line\":\"y\"}},"
	    "{\"chmod\":{\"path\":\"/srv/a/b/f\",\"mode\":\"4711\"}},"
	    "{\"write\":{\"path\":\"/srv/m\",\"content\":\"\","
	    "\"mode\":\"0600\"}},"
	    "{\"link\":{\"target\":\"a/b\",\"path\":\"/srv/l\"}}]");
	fake_assert(*state, "/srv/a/b/f", "x\ny\n");
	assert_int_equal(04711, fake_mode(*state, "/srv/a/b/f"));
	assert_int_equal(0750, fake_mode(*state, "/srv/a/b"));
	assert_int_equal(0600, fake_mode(*state, "/srv/m"));
	fake_assert(*state, "/srv/l/f", "x\ny\n");
	apply(state,
	    "[{\"delete\":{\"path\":\"/srv/l\"}},"
	    "{\"delete\":{\"path\":\"/srv/nothing\"}},"
	    "{\"delete\":{\"path\":\"/srv/a/?\"}}]");
	assert_int_equal(UINT_MAX, fake_mode(*state, "/srv/a/b"));
	assert_int_equal(0755, fake_mode(*state, "/srv/a"));
	apply_fails(state, SYSTEMD, "[{\"delete\":{\"path\":\"/\"}}]",
	    "bad_path");
	apply_fails(state, SYSTEMD,
	    "[{\"chmod\":{\"path\":\"/none\",\"mode\":\"0644\"}}]",
	    "guest_not_found");
}

static void
test_upload(void **state)
{
	char hex[VM_HASH_SHA256_HEX];
	VM_CLEAN_FREE char *text = NULL;

	keep(*state, "a\0b", 3, hex);
	text = vm_buf_printf(NULL,
	    "[{\"upload\":{\"source\":\"d/x.bin\",\"sha256\":\"%s\","
	    "\"path\":\"/etc/y.bin\",\"mode\":\"0755\"}},"
	    "{\"upload\":{\"source\":\"d/x.bin\",\"sha256\":\"%s\","
	    "\"path\":\"/etc\"}}]",
	    hex, hex);
	apply(state, text);
	assert_int_equal(0755, fake_mode(*state, "/etc/y.bin"));
	assert_int_equal(0644, fake_mode(*state, "/etc/x.bin"));
	fake_assert(*state, "/etc/x.bin", "a");
	apply_fails(state, SYSTEMD,
	    "[{\"upload\":{\"source\":\"x\",\"path\":\"/etc/x\"}}]",
	    "file_not_found");
	apply_fails(state, SYSTEMD,
	    "[{\"upload\":{\"source\":\"x\",\"path\":\"/x\",\"sha256\":"
	    "\"0000000000000000000000000000000000000000000000000000000000"
	    "000000\"}}]",
	    "file_not_found");
}

/* CASES U05: a name is a name or is refused; nothing is ever run. */
static void
test_hostname(void **state)
{
	static const char *const bad[] = { "$(reboot)", "x; rm -rf /", "a\\nb",
		"-x", "a-", "a..b", ".", "", "a_b", "\\u00e4" };
	struct fake *fake = *state;
	char text[512];

	apply(state, "[{\"hostname\":\"web1.shop.example\"}]");
	fake_assert(fake, "/etc/hostname", "web1.shop.example\n");
	fake_assert(fake, "/etc/hosts",
	    "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
	    "127.0.1.1\tweb1.shop.example web1\n");
	apply(state, "[{\"hostname\":\"no\"}]");
	fake_assert(fake, "/etc/hostname", "no\n");
	fake_assert(fake, "/etc/hosts",
	    "127.0.0.1\tlocalhost\n"
	    "::1\tlocalhost\n127.0.1.1\tno\n");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, "[{\"hostname\":\"%s\"}]", bad[i]);
		apply_fails(state, SYSTEMD, text, "bad_hostname");
	}
	snprintf(text, sizeof text, "[{\"hostname\":\"%0300d\"}]", 1);
	apply_fails(state, SYSTEMD, text, "bad_hostname");
	fake_assert(fake, "/etc/hostname", "no\n");
	assert_int_equal(0, fake->ran.len);
}

static void
test_timezone(void **state)
{
	fake_put(*state, "/usr/share/zoneinfo/Europe/Berlin", "TZif");
	fake_put(*state, "/etc/timezone", "Etc/UTC\n");
	fake_link(*state, "/usr/share/zoneinfo/Etc/UTC", "/etc/localtime");
	apply(state, "[{\"timezone\":\"Europe/Berlin\"}]");
	fake_assert(*state, "/etc/timezone", "Europe/Berlin\n");
	apply_fails(state, SYSTEMD, "[{\"timezone\":\"Europe/Atlantis\"}]",
	    "no_timezone");
	apply_fails(state, SYSTEMD, "[{\"timezone\":\"../../etc/passwd\"}]",
	    "bad_path");
}

static void
test_user(void **state)
{
	struct fake *fake = *state;
	struct vm_buf text = { 0 };

	for (int i = 0; i < 2; i++) /* the second time changes nothing */
		apply(state,
		    "[{\"user\":{\"name\":\"bob.x\",\"sudo\":true,"
		    "\"groups\":[\"sudo\"],\"ssh_keys\":[{\"key\":\"" KEY
		    "\"}],\"password\":{\"hash\":\"$6$x$y\"}}}]");
	fake_assert(fake, "/etc/passwd",
	    "root:x:0:0:root:/root:/bin/bash\n"
	    "amy:x:1000:1000::/home/amy:/bin/sh\n"
	    "bob.x:x:1001:1001::/home/bob.x:/bin/bash\n");
	fake_assert(fake, "/etc/group",
	    "root:x:0:\nsudo:x:27:amy,bob.x\n"
	    "amy:x:1000:\nbob.x:x:1001:\n");
	fake_assert(fake, "/home/bob.x/.profile", "# profile\n");
	assert_int_equal(0700, fake_mode(fake, "/home/bob.x"));
	assert_int_equal(0700, fake_mode(fake, "/home/bob.x/.ssh"));
	assert_int_equal(0600,
	    fake_mode(fake, "/home/bob.x/.ssh/authorized_keys"));
	fake_assert(fake, "/home/bob.x/.ssh/authorized_keys", KEY "\n");
	fake_assert(fake, "/etc/sudoers.d/vmpipe-bob_x",
	    "bob.x ALL=(ALL:ALL) NOPASSWD: ALL\n");
	assert_int_equal(0440, fake_mode(fake, "/etc/sudoers.d/vmpipe-bob_x"));
	assert_int_equal(0, fake_read(fake, "/etc/shadow", &text, NULL));
	assert_non_null(strstr(text.data, "\nbob.x:$6$x$y:"));
	vm_buf_release(&text);
	apply_fails(state, SYSTEMD,
	    "[{\"user\":{\"name\":\"eve\",\"groups\":[\"none\"]}}]",
	    "no_group");
	apply_fails(state, SYSTEMD, "[{\"user\":{\"name\":\"e:0:0\"}}]",
	    "bad_user");
}

static void
test_passwords(void **state)
{
	struct fake *fake = *state;
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_FREE char *ops = NULL;
	char hex[VM_HASH_SHA256_HEX];

	apply(state, "[{\"root_password\":{\"plain\":\"secret\"}}]");
	assert_int_equal(0, fake_read(fake, "/etc/shadow", &text, NULL));
	assert_memory_equal("root:$6$", text.data, 8);
	assert_null(strstr(text.data, "secret"));
	keep(fake, "geheim\nmore\n", 12, hex);
	ops = vm_buf_printf(NULL,
	    "[{\"root_password\":{\"file\":\"pw\","
	    "\"sha256\":\"%s\"}}]",
	    hex);
	apply(state, ops);
	apply(state, "[{\"root_password\":{\"hash\":\"!\"}}]");
	fake_assert(fake, "/etc/shadow",
	    "root:!:19000:0:99999:7:::\n"
	    "amy:*:19000:0:99999:7:::\n");
	apply_fails(state, SYSTEMD,
	    "[{\"root_password\":{\"hash\":\"x:0:y\"}}]", "bad_password");
	apply_fails(state, SYSTEMD, "[{\"root_password\":{\"plain\":\"\"}}]",
	    "bad_password");
}

static void
test_ssh_inject(void **state)
{
	static const char text[] = "# mine\n" KEY "\r\n\n" KEY " 2\n";
	struct fake *fake = *state;
	VM_CLEAN_FREE char *ops = NULL;
	char hex[VM_HASH_SHA256_HEX];

	keep(fake, text, sizeof text - 1, hex);
	ops = vm_buf_printf(NULL,
	    "[{\"ssh_inject\":{\"user\":\"root\",\"key\":\"" KEY "\"}},"
	    "{\"ssh_inject\":{\"user\":\"root\",\"file\":\"k\","
	    "\"sha256\":\"%s\"}}]",
	    hex);
	apply(state, ops);
	fake_assert(fake, "/root/.ssh/authorized_keys", KEY "\n" KEY " 2\n");
	apply_fails(state, SYSTEMD,
	    "[{\"ssh_inject\":{\"user\":\"bob\",\"key\":\"" KEY "\"}}]",
	    "no_user");
	/* a home that is elsewhere is not followed */
	fake_put(fake, "/home/x", "");
	fake_link(fake, "/etc", "/home/amy");
	apply_fails(state, SYSTEMD,
	    "[{\"ssh_inject\":{\"user\":\"amy\",\"key\":\"" KEY "\"}}]",
	    "guest_symlink");
}

static void
test_run_and_install(void **state)
{
	struct fake *fake = *state;
	VM_CLEAN_FREE char *ops = NULL;
	char hex[VM_HASH_SHA256_HEX];

	keep(fake, "#!/bin/sh\ntrue\n", 15, hex);
	ops = vm_buf_printf(NULL,
	    "[{\"run_command\":\"echo 'a'\"},"
	    "{\"run\":{\"source\":\"s\",\"sha256\":\"%s\"}},"
	    "{\"install\":[\"nginx\",\"g++\"]}]",
	    hex);
	fake_put(fake, "/tmp/x", "");
	fake_put(fake, "/usr/sbin/x", "");
	apply(state, ops);
	assert_non_null(strstr(fake->ran.data, "echo 'a'\n/tmp/vmpipe-run\n"));
	assert_non_null(strstr(fake->ran.data, " install 'nginx' 'g++'\n"));
	/* nothing of ours is left */
	assert_int_equal(UINT_MAX, fake_mode(fake, "/tmp/vmpipe-run"));
	assert_int_equal(UINT_MAX, fake_mode(fake, "/usr/sbin/policy-rc.d"));
	apply_fails(state, SYSTEMD, "[{\"run_command\":\"false\"}]",
	    "guest_command");
	apply_fails(state, SYSTEMD, "[{\"install\":[\"-o=x\"]}]",
	    "bad_package");
	apply_fails(state, SYSTEMD, "[{\"install\":[\"a'b\"]}]", "bad_package");
	apply_fails(state, BUSYBOX, "[{\"install\":[\"nginx\"]}]",
	    "no_package_manager");
}

/* CASES U15 */
static void
test_firstboot(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} bad[] = { { "echo\n", 5 }, { "#!/bin/sh\r\necho\r\n", 17 },
		{ "#!/bin/sh\n\0", 11 }, { "", 0 } };
	struct fake *fake = *state;
	char hex[VM_HASH_SHA256_HEX];

	apply(state,
	    "[{\"firstboot_command\":\"echo 1\"},"
	    "{\"firstboot_command\":\"echo 2\"}]");
	apply(state, "[{\"firstboot_command\":\"echo 3\"}]");
	fake_assert(fake, "/usr/lib/vmpipe/firstboot.d/0003",
	    "#!/bin/sh\necho 3\n");
	assert_int_equal(0700,
	    fake_mode(fake, "/usr/lib/vmpipe/firstboot.d/0001"));
	assert_int_equal(0755, fake_mode(fake, "/usr/lib/vmpipe/firstboot"));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		VM_CLEAN_FREE char *ops = NULL;

		keep(fake, bad[i].data, bad[i].len, hex);
		ops = vm_buf_printf(NULL,
		    "[{\"firstboot\":{\"source\":\"s\","
		    "\"sha256\":\"%s\"}}]",
		    hex);
		apply_fails(state, SYSTEMD, ops, "bad_script");
	}
	apply_fails(state, BUSYBOX, "[{\"firstboot_command\":\"true\"}]",
	    "no_systemd");
}

static void
test_unknown(void **state)
{
	apply_fails(state, SYSTEMD, "[{\"reboot\":true}]", "bad_operation");
	apply_fails(state, SYSTEMD, "[{}]", "bad_operation");
	apply_fails(state, SYSTEMD, "[{\"hostname\":\"a\",\"timezone\":\"b\"}]",
	    "bad_operation");
}

/* What decides the result counts for the digest, what does not does not. */
static void
test_canonical(void **state)
{
	static const char text[] = "[{\"upload\":{\"source\":\"/home/a/x\","
				   "\"sha256\":\"00\",\"path\":\"/x\"}}]";
	VM_CLEAN_JSON struct vm_json *ops = vm_json_parse(text, sizeof text - 1,
	    NULL);
	VM_CLEAN_JSON struct vm_json *canonical = vm_ops_canonical(ops, NULL);
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	VM_CLEAN_BUF struct vm_buf line = { 0 };

	(void)state;
	assert_int_equal(0, vm_json_format(canonical, true, &out, NULL));
	assert_string_equal("[{\"args\":{\"path\":\"/x\",\"sha256\":\"00\","
			    "\"source\":\"x\"},\"op\":\"upload\","
			    "\"version\":1}]",
	    out.data);
	assert_int_equal(0, vm_ops_describe(vm_json_at(ops, 0), &line, NULL));
	assert_string_equal("upload /x", line.data);
}

/* A secret is not shown. */
static void
test_describe(void **state)
{
	static const char text[] = "{\"root_password\":{\"plain\":\"x\"}}";
	VM_CLEAN_JSON struct vm_json *op = vm_json_parse(text, sizeof text - 1,
	    NULL);
	VM_CLEAN_BUF struct vm_buf line = { 0 };

	(void)state;
	assert_int_equal(0, vm_ops_describe(op, &line, NULL));
	assert_string_equal("root_password", line.data);
}

int
main(void)
{
#define CASE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_files),
		CASE(test_upload),
		CASE(test_hostname),
		CASE(test_timezone),
		CASE(test_user),
		CASE(test_passwords),
		CASE(test_ssh_inject),
		CASE(test_run_and_install),
		CASE(test_firstboot),
		CASE(test_unknown),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
