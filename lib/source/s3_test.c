#include "test/unit.h"

#include <string.h>

#include "lib/source/s3.h"
#include "lib/source/percent.h"
#include "lib/source/sigv4.h"

#define EXAMPLE_KEY "AKIAIOSFODNN7EXAMPLE"
#define EXAMPLE_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define MAY_24 1369353600 /* 2013-05-24T00:00:00Z */

/* "Authenticating Requests: Using Query Parameters": its example. */
static void
test_published_example(void **state)
{
	const struct vm_sigv4 request = {
		.host = "examplebucket.s3.amazonaws.com",
		.path = "/test.txt",
		.region = "us-east-1",
		.key_id = EXAMPLE_KEY,
		.secret = EXAMPLE_SECRET,
		.now = MAY_24,
		.expires_s = 86400,
	};
	struct vm_error err = { 0 };
	char *query VM_CLEAN_FREE = vm_sigv4_query(&request, &err);

	(void)state;
	assert_non_null(query);
	assert_string_equal("X-Amz-Algorithm=AWS4-HMAC-SHA256"
			    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524"
			    "%2Fus-east-1%2Fs3%2Faws4_request"
			    "&X-Amz-Date=20130524T000000Z"
			    "&X-Amz-Expires=86400"
			    "&X-Amz-SignedHeaders=host"
			    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835"
			    "f995330da4c265957d157751f604d404",
	    query);
}

/* The parameters stay in order with a session's token, which is encoded. */
static void
test_token(void **state)
{
	const struct vm_sigv4 request = {
		.host = "h",
		.path = "/k",
		.region = "r",
		.key_id = "ID",
		.secret = "S",
		.token = "a+b/c=",
		.now = MAY_24,
		.expires_s = 60,
	};
	struct vm_error err = { 0 };
	char *query VM_CLEAN_FREE = vm_sigv4_query(&request, &err);

	(void)state;
	assert_non_null(query);
	assert_non_null(strstr(query,
	    "&X-Amz-Expires=60&X-Amz-Security-Token=a%2Bb%2Fc%3D"
	    "&X-Amz-SignedHeaders=host&X-Amz-Signature="));
}

static void
test_encode(void **state)
{
	struct vm_error err = { 0 };
	char *kept VM_CLEAN_FREE = vm_percent_encode("a/b c+%\xc3\xa9~", true,
	    &err);
	char *all VM_CLEAN_FREE = vm_percent_encode("a/b", false, &err);

	(void)state;
	assert_string_equal("a/b%20c%2B%25%C3%A9~", kept);
	assert_string_equal("a%2Fb", all);
}

static void
test_places(void **state)
{
	static const struct {
		const char *object, *region, *endpoint, *url;
	} cases[] = {
		{ "s3://examplebucket/a b.img", "eu-west-1", NULL,
		    "https://examplebucket.s3.eu-west-1.amazonaws.com/"
		    "a%20b.img" },
		{ "s3://bucket/k", "cn-north-1", NULL,
		    "https://bucket.s3.cn-north-1.amazonaws.com.cn/k" },
		{ "s3://dotted.name/dir/k", "us-east-1", NULL,
		    "https://s3.us-east-1.amazonaws.com/dotted.name/dir/k" },
		{ "s3://bucket/k", "us-east-1", "http://127.0.0.1:9000/",
		    "http://127.0.0.1:9000/bucket/k" },
		{ "s3://bucket/k", "us-east-1", "https://s3.example.org:443/x/",
		    "https://s3.example.org/x/bucket/k" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char region[32], endpoint[64];
		struct vm_aws aws = { .region = region };
		struct vm_error err = { 0 };
		char *url VM_CLEAN_FREE = NULL;

		snprintf(region, sizeof(region), "%s", cases[i].region);
		if (cases[i].endpoint != NULL) {
			snprintf(endpoint, sizeof(endpoint), "%s",
			    cases[i].endpoint);
			aws.endpoint = endpoint;
		}
		assert_int_equal(0, vm_s3_check(cases[i].object, &err));
		url = vm_s3_locate(cases[i].object, &aws, MAY_24, &err);
		assert_string_equal(cases[i].url, url);
	}
}

static void
test_signed(void **state)
{
	char region[] = "us-east-1", id[] = EXAMPLE_KEY;
	char secret[] = EXAMPLE_SECRET;
	const struct vm_aws aws = {
		.region = region, .key_id = id, .secret = secret
	};
	struct vm_error err = { 0 };
	char *url VM_CLEAN_FREE = vm_s3_locate("s3://examplebucket/test.txt",
	    &aws, MAY_24, &err);

	(void)state;
	assert_non_null(url);
	assert_non_null(strstr(url,
	    "https://examplebucket.s3.us-east-1.amazonaws.com/test.txt"
	    "?X-Amz-Algorithm=AWS4-HMAC-SHA256&"));
	assert_non_null(strstr(url, "&X-Amz-Signature="));
}

static void
test_bad_urls(void **state)
{
	static const char *const urls[] = { "s3://", "s3://b/k", "s3:///k",
		"s3://bucket", "s3://bucket/", "s3://bucket/a/", "s3://-bu/k",
		"s3://buc ket/k", "s3://user@bucket/k", "s3://bucket:80/k",
		"s3://bucket/../k", "s3://bucket/a/./k", "s3://bucket/a/..",
		"s3://bucket/a\nb" };

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct vm_error err = { 0 };

		assert_int_equal(-1, vm_s3_check(urls[i], &err));
		assert_int_equal(VM_E_USAGE, err.kind);
	}
}

static void
test_bad_settings(void **state)
{
	static const char *const endpoints[] = { "ftp://h", "http://", "h:9000",
		"https://u:p@h", "https://h/?x", "https://h/../x",
		"https://h h" };
	char region[] = "us-east-1", bad[] = "evil.example/";
	struct vm_aws aws = { .region = bad };
	struct vm_error err = { 0 };

	(void)state;
	assert_null(vm_s3_locate("s3://bucket/k", &aws, MAY_24, &err));
	assert_string_equal("bad_region", err.code);
	aws.region = region;
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		char endpoint[32];

		snprintf(endpoint, sizeof(endpoint), "%s", endpoints[i]);
		aws.endpoint = endpoint;
		assert_null(vm_s3_locate("s3://bucket/k", &aws, MAY_24, &err));
		assert_string_equal("bad_endpoint", err.code);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_example),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_bad_urls),
		cmocka_unit_test(test_bad_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
