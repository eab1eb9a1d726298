#include "lib/record/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/record/schema.h"
#include "test/unit.h"

/* A role around what is tested, which begins at line 6, column 5. */
#define HEAD                                                                   \
	"vmpipe: 1\nservice: shop\nroles:\n  web:\n    image: {source: d}\n    "

static char directory[] = "/tmp/manifest_test.XXXXXX";

static int
go_there(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL ? chdir(directory) : -1;
}

static int
come_back(void **state)
{
	(void)state;
	unlink("m.yaml");
	return chdir("/") == 0 ? rmdir(directory) : -1;
}

static int
load(const char *text, struct vm_manifest *manifest, struct vm_buf *problems,
    struct vm_error *err)
{
	FILE *file = fopen("m.yaml", "w");

	assert_non_null(file);
	assert_int_equal(1, fwrite(text, strlen(text), 1, file));
	assert_int_equal(0, fclose(file));
	return vm_manifest_load("m.yaml", manifest, problems, err);
}

static void
expect_json(const char *text, const char *json)
{
	VM_CLEAN_MANIFEST struct vm_manifest manifest = { 0 };
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	struct vm_error err = { 0 };

	if (load(text, &manifest, NULL, &err) == -1)
		fail_msg("%s", err.message);
	assert_int_equal(0, vm_json_format(manifest.json, false, &out, &err));
	assert_string_equal(json, out.data);
}

/* Scalars are what the schema says, and equal things look equal. */
static void
test_normal_form(void **state)
{
	(void)state;
	expect_json(HEAD
	    "memory: 1024M\n    cpus: \"2\"\n    disk: 10GiB\n"
	    "    replicas: 3\n    ready: {tcp: 80, timeout: 120}\n"
	    "    instance:\n      - hostname: no\n"
	    "      - write: {path: /a, content: 5, mode: 0644}\n"
	    "      - write: {path: /a, content: \"\", mode: \"755\"}\n"
	    "      - mkdir: /srv\n      - root_password: \"x y\"\n"
	    "      - run: a.sh\n      - ssh_inject: root\n",
	    "{\"vmpipe\":1,\"service\":\"shop\",\"roles\":{\"web\":{"
	    "\"image\":{\"source\":\"d\"},\"memory\":\"1G\",\"cpus\":2,"
	    "\"disk\":\"10G\",\"replicas\":{\"initial\":3},"
	    "\"ready\":{\"tcp\":{\"port\":80},\"timeout\":\"2m\"},"
	    "\"instance\":[{\"hostname\":\"no\"},"
	    "{\"write\":{\"path\":\"/a\",\"content\":\"5\","
	    "\"mode\":\"0644\"}},"
	    "{\"write\":{\"path\":\"/a\",\"content\":\"\","
	    "\"mode\":\"0755\"}},"
	    "{\"mkdir\":{\"path\":\"/srv\"}},"
	    "{\"root_password\":{\"plain\":\"x y\"}},"
	    "{\"run\":{\"source\":\"a.sh\"}},"
	    "{\"ssh_inject\":{\"user\":\"root\"}}]}}}");
}

struct refusal {
	const char *text;
	const char *message;
};

static void
expect_refusals(const struct refusal *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		VM_CLEAN_MANIFEST struct vm_manifest manifest = { 0 };
		struct vm_error err = { 0 };

		assert_int_equal(-1,
		    load(cases[i].text, &manifest, NULL, &err));
		assert_string_equal(cases[i].message, err.message);
		assert_int_equal(VM_E_DATA, err.kind);
		assert_null(manifest.json);
	}
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROLE "m.yaml:6:5: roles.web"

static void
test_shape(void **state)
{
	static const struct refusal cases[] = {
		{ "[]\n", "m.yaml:1:1: expected a manifest, found a list" },
		{ "vmpipe: 2\nservice: a\nroles: {b: {image: {source: c}}}\n",
		    "m.yaml:1:9: vmpipe: expected 1, the version of this "
		    "format, found \"2\"" },
		{ "vmpipe: 1\nroles: {b: {image: {source: c}}}\n",
		    "m.yaml:1:1: key \"service\" is missing" },
		{ "vmpipe: 1\nservice: a\nroles: {}\n",
		    "m.yaml:3:8: roles: empty; expected roles by name" },
		{ "vmpipe: 1\nservice: a\nroles: {B: {image: {source: c}}}\n",
		    "m.yaml:3:9: roles.B: expected a name of at most 63 of "
		    "a-z, 0-9 and -, not beginning with -, found \"B\"" },
		{ HEAD "memroy: 1G\n",
		    ROLE ": unknown key \"memroy\"; did you mean \"memory\"?" },
		{ HEAD "xyz: 1G\n", ROLE ": unknown key \"xyz\"" },
		{ HEAD "memory: lots\n",
		    "m.yaml:6:13: roles.web.memory: "
		    "expected a size such as 512M, at least 16M, "
		    "found \"lots\"" },
		{ HEAD "memory:\n",
		    "m.yaml:6:12: roles.web.memory: no value; "
		    "expected a size such as 512M, at least 16M" },
		{ HEAD "memory: [1G]\n",
		    "m.yaml:6:13: roles.web.memory: "
		    "expected a size such as 512M, at least 16M, "
		    "found a list" },
		{ HEAD "cpus: 0\n",
		    "m.yaml:6:11: roles.web.cpus: expected a "
		    "number of CPUs, 1 to 255, found \"0\"" },
		{ HEAD "scale: []\n",
		    ROLE ".scale: not supported by this "
			 "version of vmpipe" },
		{ HEAD "update: rolling\n",
		    "m.yaml:6:13: roles.web.update: "
		    "rolling is not supported by this version of vmpipe" },
		{ HEAD "networks: [{private: a, user: true}]\n",
		    "m.yaml:6:29: roles.web.networks.0: \"user\" cannot stand "
		    "beside \"private\"" },
		{ HEAD "networks: [{address: 10.0.0.1/24}]\n",
		    "m.yaml:6:17: roles.web.networks.0.address: accepted only "
		    "together with bridge" },
		{ HEAD "networks: [{bridge: br0, address: 10.0.0.1}]\n",
		    "m.yaml:6:39: roles.web.networks.0.address: \"10.0.0.1\" "
		    "has no prefix length, as in 10.0.0.5/24" },
		{ HEAD "networks: [{}]\n",
		    "m.yaml:6:16: roles.web.networks.0: "
		    "expected {private: NAME}, {user: true} or "
		    "{bridge: NAME}" },
		{ HEAD "networks: [{user: false}]\n",
		    "m.yaml:6:23: roles.web.networks.0.user: expected true, "
		    "found \"false\"" },
	};

	(void)state;
	expect_refusals(cases, COUNT(cases));
}

#define OP HEAD "instance: [{"
#define AT "m.yaml:6:17: roles.web.instance.0"

/* CASES U05, U06, U08: nothing in a value is an option or is executed. */
static void
test_operations(void **state)
{
	static const struct refusal cases[] = {
		{ OP "hostname: \"$(reboot)\"}]\n",
		    "m.yaml:6:27: roles.web.instance.0.hostname: expected a "
		    "host name of at most 64 letters, digits, - and ., found "
		    "\"$(reboot)\"" },
		{ OP "hostname: \"a\\nb\"}]\n",
		    "m.yaml:6:27: roles.web.instance.0.hostname: expected a "
		    "host name of at most 64 letters, digits, - and ., found "
		    "\"a\\nb\"" },
		{ OP "hostname: -a}]\n",
		    "m.yaml:6:27: roles.web.instance.0.hostname: expected a "
		    "host name of at most 64 letters, digits, - and ., found "
		    "\"-a\"" },
		{ OP "install: [\"-oAPT::x=y\"]}]\n",
		    "m.yaml:6:27: roles.web.instance.0.install.0: expected the "
		    "name of a package, found \"-oAPT::x=y\"" },
		{ OP "user: {name: \"a'b\"}}]\n",
		    "m.yaml:6:30: roles.web.instance.0.user.name: expected a "
		    "name of at most 32 of a-z, 0-9, _ and -, beginning with a "
		    "letter or _, found \"a'b\"" },
		{ OP "wrte: {path: /a}}]\n",
		    AT ": unknown key \"wrte\"; did you mean \"write\"?" },
		{ OP "write: {path: a, content: x}}]\n",
		    "m.yaml:6:31: roles.web.instance.0.write.path: expected an "
		    "absolute path in the guest, found \"a\"" },
		{ OP "write: {path: /a/../b, content: x}}]\n",
		    "m.yaml:6:31: roles.web.instance.0.write.path: \"..\" is "
		    "not accepted in a path" },
		{ OP "write: {path: /a, content: x, mode: 0999}}]\n",
		    "m.yaml:6:53: roles.web.instance.0.write.mode: expected an "
		    "octal mode such as 0644, found \"0999\"" },
		{ OP "upload: {source: a, path: /b, sha256: x}}]\n",
		    "m.yaml:6:47: roles.web.instance.0.upload.sha256: set by "
		    "vmfetch, not accepted in a manifest" },
		{ OP "root_password: {hash: hunter2}}]\n",
		    "m.yaml:6:39: roles.web.instance.0.root_password.hash: "
		    "expected a password hash of crypt(5), or ! for none" },
		{ OP "hostname: {{name}}}]\n",
		    "m.yaml:6:28: a key must be plain text" },
		{ OP "hostname: \"{{nmae}}\"}]\n",
		    "m.yaml:6:27: roles.web.instance.0.hostname: {{nmae}}: "
		    "unknown variable; did you mean {{name}}?" },
		{ OP "run_command: \"echo {{env.X}}\"}]\n",
		    "m.yaml:6:30: roles.web.instance.0.run_command: "
		    "{{env.X}}: not supported by this version of vmpipe" },
		{ OP "run: \"{{name}}.sh\"}]\n",
		    "m.yaml:6:22: roles.web.instance.0.run: "
		    "{{variables}} are not expanded here" },
		{ HEAD "customize: [{hostname: \"{{name}}\"}]\n",
		    "m.yaml:6:28: roles.web.customize.0.hostname: {{name}}: "
		    "differs from clone to clone; move the operation from "
		    "customize: to instance:" },
		{ HEAD "customize: [{root_password: hunter2}]\n",
		    "m.yaml:6:33: roles.web.customize.0.root_password: a plain "
		    "secret is accepted only under instance:; use {hash: ...} "
		    "or {file: ...}" },
		{ HEAD "customize: [{root_password: {plain: hunter2}}]\n",
		    "m.yaml:6:34: roles.web.customize.0.root_password.plain: a "
		    "plain secret is accepted only under instance:; use "
		    "{hash: ...} or {file: ...}" },
	};

	(void)state;
	expect_refusals(cases, COUNT(cases));
}

/* What takes more than one value to see. */
static void
test_whole(void **state)
{
	static const struct refusal cases[] = {
		{ HEAD "after: [wbe]\n",
		    "m.yaml:6:13: roles.web: no role "
		    "\"wbe\" here; did you mean \"web\"?" },
		{ HEAD "after: [web]\n",
		    "m.yaml:6:5: roles: role web waits "
		    "for itself through its after:" },
		{ HEAD "after: [db]\n  db: {image: {source: d}, "
		       "after: [web]}\n",
		    "m.yaml:6:5: roles: role web waits for "
		    "itself through its after:" },
		{ HEAD "instance:\n      - hostname: a\n      - write: {path: "
		       "/a, content: \"{{roles.dc.address}}\"}\n"
		       "  db: {image: {source: d}}\n",
		    "m.yaml:8:36: roles.web: no role \"dc\" here; did you "
		    "mean \"db\"?" },
		{ HEAD "replicas: {min: 3, max: 2}\n",
		    "m.yaml:6:15: roles.web"
		    ": min 3 is more than max 2" },
		{ HEAD "replicas: {initial: 3, max: 2}\n",
		    "m.yaml:6:15: "
		    "roles.web: initial 3 is not between min and max" },
		{ HEAD "replicas: 2\n    networks: [{user: true, forward: "
		       "[{host: 8080, guest: 80}]}]\n",
		    "m.yaml:7:46: roles.web: "
		    "port 8080 of the host cannot lead to each of several "
		    "VMs; write 0 for any free port" },
		{ HEAD "networks: [{user: true, forward: [{host: 8080, "
		       "guest: 80}, {host: 8080, guest: 81}]}]\n",
		    "m.yaml:6:71: roles.web: port 8080 of the host is already "
		    "used by role web" },
		{ HEAD "replicas: 2\n    networks: [{bridge: br0, address: "
		       "10.0.0.5/24}]\n",
		    "m.yaml:7:39: roles.web: 10.0.0.5/24 "
		    "would be the address of several VMs; use {{index}} in "
		    "it" },
		{ HEAD "replicas: 2\n    networks: [{user: true, mac: "
		       "\"52:54:00:00:00:01\"}]\n",
		    "m.yaml:7:34: roles.web: "
		    "52:54:00:00:00:01 would be the MAC address of several "
		    "VMs" },
		{ HEAD "networks: [{private: a}, {private: a}]\n",
		    "m.yaml:6:40: roles.web: network \"a\" is already in this "
		    "list" },
		{ "vmpipe: 1\nservice: "
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "\nroles: {webs: {image: {source: d}}}\n",
		    "m.yaml:3:9: "
		    "roles.webs: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaa-webs-1 is longer than the 63 characters "
		    "that a VM's name may have" },
	};

	(void)state;
	expect_refusals(cases, COUNT(cases));
}

static void
test_all_problems(void **state)
{
	VM_CLEAN_MANIFEST struct vm_manifest manifest = { 0 };
	VM_CLEAN_BUF struct vm_buf problems = { 0 }, many = { 0 };
	struct vm_error err = { 0 };
	size_t lines = 0;

	(void)state;
	assert_int_equal(-1,
	    load(HEAD "cpus: x\n    disk: y\n    z: 1\n", &manifest, &problems,
		&err));
	assert_string_equal(
	    "m.yaml:6:11: roles.web.cpus: expected a number of CPUs, 1 to 255, "
	    "found \"x\"\n"
	    "m.yaml:7:11: roles.web.disk: expected a size such as 10G, at "
	    "least 1M, found \"y\"\n"
	    "m.yaml:8:5: roles.web: unknown key \"z\"\n",
	    problems.data);
	vm_buf_reset(&problems);
	assert_int_equal(0, vm_buf_add_string(&many, HEAD "after: [", &err));
	for (int i = 0; i < 99; i++)
		assert_int_equal(0, vm_buf_format(&many, &err, "X%d,", i));
	assert_int_equal(0, vm_buf_add_string(&many, "Y]\n", &err));
	assert_int_equal(-1, load(many.data, &manifest, &problems, &err));
	for (const char *p = problems.data; *p != '\0'; p++)
		lines += *p == '\n';
	assert_int_equal(VM_SCHEMA_MAX_PROBLEMS, lines);
}

static void
test_no_file(void **state)
{
	VM_CLEAN_MANIFEST struct vm_manifest manifest = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(-1,
	    vm_manifest_load("absent.yaml", &manifest, NULL, &err));
	assert_int_equal(VM_E_NO_INPUT, err.kind);
	assert_int_equal(-1, vm_manifest_load(".", &manifest, NULL, &err));
	assert_null(manifest.json);
}

static void
test_order(void **state)
{
	VM_CLEAN_MANIFEST struct vm_manifest manifest = { 0 };
	VM_CLEAN_JSON struct vm_json *order = NULL;
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0,
	    load("vmpipe: 1\nservice: s\nroles:\n"
		 "  a: {image: {source: x}, after: [c, b]}\n"
		 "  b: {image: {source: x}}\n"
		 "  c: {image: {source: x}, after: [b]}\n"
		 "  d: {image: {source: x}}\n",
		&manifest, NULL, &err));
	assert_string_equal("m.yaml", manifest.path);
	assert_string_equal(".", manifest.directory);
	order = vm_manifest_order(&manifest, &err);
	assert_int_equal(0, vm_json_format(order, false, &out, &err));
	assert_string_equal("[\"b\",\"c\",\"a\",\"d\"]", out.data);
}

static void
expect_set(const char *role, const char *assignment, const char *result)
{
	struct vm_error err = { 0 };
	VM_CLEAN_JSON struct vm_json *json = vm_json_parse(role, strlen(role),
	    &err);
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	int set = vm_manifest_set(json, assignment, &err);

	if (set == -1) {
		assert_string_equal(result, err.message);
		assert_int_equal(0, vm_json_format(json, false, &out, &err));
		assert_string_equal(role, out.data);
		return;
	}
	assert_int_equal(0, vm_json_format(json, false, &out, &err));
	assert_string_equal(result, out.data);
}

#define IMAGE "{\"image\":{\"source\":\"d\"}"

static void
test_set(void **state)
{
	(void)state;
	expect_set(IMAGE "}", "memory=2048M", IMAGE ",\"memory\":\"2G\"}");
	expect_set(IMAGE "}", "networks=[{bridge: br0}]",
	    IMAGE ",\"networks\":[{\"bridge\":\"br0\"}]}");
	expect_set(IMAGE ",\"cpus\":1}", "cpus=4", IMAGE ",\"cpus\":4}");
	expect_set(IMAGE "}", "image.pull=never",
	    "{\"image\":{\"source\":\"d\",\"pull\":\"never\"}}");
	expect_set(IMAGE "}", "ready={serial: \"login:\"}",
	    IMAGE ",\"ready\":{\"serial\":\"login:\"}}");
	expect_set(IMAGE "}", "memory", "--set memory: expected KEY=VALUE");
	expect_set(IMAGE "}", "memroy=1G",
	    "--set: unknown key \"memroy\"; did you mean \"memory\"?");
	expect_set(IMAGE "}", "memory=x",
	    "--set: memory: expected a size such "
	    "as 512M, at least 16M, found \"x\"");
	expect_set(IMAGE "}", "memory=[",
	    "--set: memory:2:1: did not find "
	    "expected node content");
}

/* In a record the digests that vmfetch has set are welcome. */
static void
test_check_role(void **state)
{
	static const char good[] = IMAGE
	    ",\"disk\":\"1024M\",\"customize\":[{"
	    "\"upload\":{\"source\":\"a\",\"path\":\"/b\",\"sha256\":\""
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	    "\"}}]}";
	static const char bad[] = IMAGE
	    ",\"customize\":[{\"write\":{"
	    "\"path\":\"/a\",\"content\":\"\",\"mode\":\"9\"}}]}";
	struct vm_error err = { 0 };
	VM_CLEAN_JSON struct vm_json *json = vm_json_parse(good, strlen(good),
	    &err);
	VM_CLEAN_JSON struct vm_json *other = vm_json_parse(bad, strlen(bad),
	    &err);

	(void)state;
	assert_int_equal(0, vm_manifest_check_role(json, &err));
	assert_string_equal("1G", vm_json_string(json, "disk", ""));
	assert_int_equal(-1, vm_manifest_check_role(other, &err));
	assert_string_equal("spec.customize.0.write.mode: expected an octal "
			    "mode such as 0644, found \"9\"",
	    err.message);
}

/* What variables brought in is held against the format as well. */
static void
test_expanded(void **state)
{
	static const char bad[] = "{\"hostname\":\"a b\"}";
	static const char good[] = "{\"write\":{\"path\":\"/a\","
				   "\"content\":\"{{x}}\"}}";
	struct vm_error err = { 0 };
	VM_CLEAN_JSON struct vm_json *json = vm_json_parse(bad, strlen(bad),
	    &err);
	VM_CLEAN_JSON struct vm_json *other = vm_json_parse(good, strlen(good),
	    &err);
	VM_CLEAN_JSON struct vm_json *made = NULL;

	(void)state;
	assert_null(vm_schema_check_json(&vm_schema_operation, json, "op", true,
	    &err));
	assert_string_equal("op.hostname: expected a host name of at most 64 "
			    "letters, digits, - and ., found \"a b\"",
	    err.message);
	assert_null(vm_schema_check_json(&vm_schema_operation, other, "op",
	    false, &err));
	made = vm_schema_check_json(&vm_schema_operation, other, "op", true,
	    &err);
	assert_non_null(made);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normal_form),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_all_problems),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_check_role),
		cmocka_unit_test(test_expanded),
	};

	return cmocka_run_group_tests(tests, go_there, come_back);
}
