#include "test/unit.h"

#include <string.h>

#include "lib/record/drift.h"

static struct vm_json *
json(const char *text)
{
	struct vm_json *value = vm_json_parse(text, strlen(text), NULL);

	assert_non_null(value);
	return value;
}

/* The drift of stored against spec, as text. */
static void
expect(const char *stored_text, const char *spec_text, const char *image_id,
    const char *wanted)
{
	VM_CLEAN_JSON struct vm_json *stored = json(stored_text);
	VM_CLEAN_JSON struct vm_json *spec = json(spec_text);
	VM_CLEAN_JSON struct vm_json *drift = NULL;
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	struct vm_error err = { 0 };

	drift = vm_drift_between(stored, spec, image_id, &err);
	assert_non_null(drift);
	assert_int_equal(vm_json_format(drift, false, &text, &err), 0);
	assert_string_equal(text.data, wanted);
}

static void
test_none(void **state)
{
	(void)state;
	expect("{\"spec\":{\"cpus\":2,\"memory\":\"1G\"},"
	       "\"image\":{\"id\":\"a\"}}",
	    "{\"memory\":\"1024M\",\"cpus\":2}", "a", "[]");
	/* not known: not compared */
	expect("{\"spec\":{},\"image\":{\"id\":\"a\"}}", "{}", NULL, "[]");
	/* only of use elsewhere */
	expect("{\"spec\":{\"after\":[\"db\"],\"replicas\":2}}",
	    "{\"replicas\":3,\"update\":\"rolling\",\"ready\":{\"ssh\":true}}",
	    NULL, "[]");
	/* not customised yet: it will be */
	expect("{\"spec\":{}}",
	    "{\"customize\":[{\"run\":\"x\"}],\"instance\":[]}", NULL, "[]");
}

static void
test_each(void **state)
{
	(void)state;
	expect("{\"spec\":{},\"image\":{\"id\":\"a\"}}", "{}", "b",
	    "[\"image\"]");
	expect("{\"spec\":{\"disk\":\"10G\"}}", "{\"disk\":\"11G\"}", NULL,
	    "[\"disk\"]");
	/* what the disk is counts, not what was once asked for */
	expect("{\"spec\":{\"disk\":\"2G\"},"
	       "\"disks\":[{\"size\":1073741824}]}",
	    "{\"disk\":\"2G\"}", NULL, "[\"disk\"]");
	expect("{\"spec\":{},\"disks\":[{\"size\":1073741824}]}",
	    "{\"disk\":\"1024M\"}", NULL, "[]");
	expect("{\"spec\":{}}", "{\"volumes\":[{\"name\":\"data\"}]}", NULL,
	    "[\"disk\"]");
	expect("{\"spec\":{\"cpus\":2}}", "{}", NULL, "[\"machine\"]");
	expect("{\"spec\":{}}", "{\"cpus\":2}", NULL, "[\"machine\"]");
	expect("{\"spec\":{},\"started\":true}", "{\"instance\":[1]}", NULL,
	    "[\"instance\"]");
	expect("{\"spec\":{},\"applied\":{}}", "{\"customize\":[1]}", NULL,
	    "[\"customize\"]");
	expect("{\"spec\":{\"cpus\":1},\"image\":{\"id\":\"a\"},"
	       "\"started\":true}",
	    "{\"customize\":[1],\"instance\":[2],\"disk\":\"1G\"}", "b",
	    "[\"image\",\"customize\",\"instance\",\"disk\",\"machine\"]");
}

#define DISKS                                                                  \
	"{\"spec\":{},\"disks\":[{\"size\":1073741824},"                       \
	"{\"name\":\"s\",\"size\":1073741824},"                                \
	"{\"name\":\"t\",\"size\":512,\"alias\":\"tools\"},"                   \
	"{\"name\":\"d\",\"volume\":\"a-d\",\"size\":1048576,"                 \
	"\"mount\":\"/srv\"}]}"
#define EMPTY "{\"name\":\"s\",\"size\":\"1G\"}"
#define TOOLS "{\"name\":\"t\",\"image\":\"tools\"}"
#define DATA "{\"name\":\"d\",\"size\":\"1M\",\"mount\":\"/srv\"}"

/* Further disks count as they are, in any order. */
static void
test_disks(void **state)
{
	static const char *const differ[] = {
		"{\"disks\":[" EMPTY "," TOOLS "]}",
		"{\"disks\":[" EMPTY "],\"volumes\":[" DATA "]}",
		"{\"disks\":[" EMPTY "," DATA "],\"volumes\":[" TOOLS "]}",
		"{\"disks\":[" EMPTY ",{\"name\":\"t\",\"image\":\"x\"}],"
		"\"volumes\":[" DATA "]}",
		"{\"disks\":[{\"name\":\"s\",\"size\":\"2G\"}," TOOLS "],"
		"\"volumes\":[" DATA "]}",
		"{\"disks\":[" EMPTY "," TOOLS "],\"volumes\":["
		"{\"name\":\"d\",\"size\":\"1M\"}]}",
		"{\"disks\":[" EMPTY "," TOOLS "],\"volumes\":["
		"{\"name\":\"d\",\"size\":\"2M\",\"mount\":\"/srv\"}]}",
	};

	(void)state;
	expect(DISKS,
	    "{\"disks\":[" TOOLS "," EMPTY "],\"volumes\":[" DATA "]}", NULL,
	    "[]");
	for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++)
		expect(DISKS, differ[i], NULL, "[\"disk\"]");
}

static void
test_remove(void **state)
{
	VM_CLEAN_JSON struct vm_json *record =
	    json("{\"drift\":[\"image\",\"machine\"]}");
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(vm_drift_remove(record, "machine", &err), 0);
	assert_int_equal(vm_drift_remove(record, "disk", &err), 0);
	assert_int_equal(vm_json_count(vm_json_get(record, "drift")), 1);
	assert_string_equal(vm_json_string(record, "drift.0", ""), "image");
}

/* The digest does not depend on the order of members. */
static void
test_digest(void **state)
{
	VM_CLEAN_JSON struct vm_json *a = json("[{\"x\":1,\"y\":\"z\"}]");
	VM_CLEAN_JSON struct vm_json *b = json("[{\"y\":\"z\",\"x\":1}]");
	struct vm_error err = { 0 };
	char hex[65], other[65], text[256];

	(void)state;
	assert_int_equal(vm_drift_digest(a, hex, &err), 0);
	assert_int_equal(vm_drift_digest(b, other, &err), 0);
	assert_string_equal(hex, other);
	snprintf(text, sizeof(text),
	    "{\"spec\":{},\"applied\":{\"customize\":\"%s\"}}", hex);
	expect(text, "{\"customize\":[{\"y\":\"z\",\"x\":1}]}", NULL, "[]");
	expect(text, "{}", NULL, "[\"customize\"]");
	/* FIPS 180-4, the empty message */
	assert_int_equal(vm_drift_digest(NULL, hex, &err), 0);
	assert_string_equal(hex,
	    "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_disks),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests_name("drift", tests, NULL, NULL);
}
