#include "test/unit.h"

#include <string.h>
#include <unistd.h>

#include "lib/source/aws.h"

static char directory[] = "/tmp/vmpipe-aws-XXXXXX";

static void
write_file(const char *name, const char *text)
{
	char path[sizeof(directory) + 32];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(0, fclose(f));
}

static int
clear(void **state)
{
	static const char *const names[] = { "AWS_ACCESS_KEY_ID",
		"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
		"AWS_ENDPOINT_URL_S3" };
	char path[sizeof(directory) + 32];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	write_file("credentials", "");
	write_file("config", "");
	snprintf(path, sizeof(path), "%s/credentials", directory);
	setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
	snprintf(path, sizeof(path), "%s/config", directory);
	return setenv("AWS_CONFIG_FILE", path, 1);
}

static void
test_nothing(void **state)
{
	struct vm_aws aws VM_CLEAN_AWS = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	assert_int_equal(0, vm_aws_load(&aws, &err));
	assert_null(aws.key_id);
	assert_null(aws.endpoint);
	assert_string_equal("us-east-1", aws.region);
}

static void
test_environment(void **state)
{
	struct vm_aws aws VM_CLEAN_AWS = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	write_file("credentials",
	    "[default]\naws_access_key_id=F\naws_secret_access_key=G\n"
	    "aws_session_token=H\n");
	setenv("AWS_ACCESS_KEY_ID", "ID", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "SECRET", 1);
	setenv("AWS_DEFAULT_REGION", "eu-west-3", 1);
	setenv("AWS_ENDPOINT_URL", "http://a", 1);
	setenv("AWS_ENDPOINT_URL_S3", "http://b", 1);
	assert_int_equal(0, vm_aws_load(&aws, &err));
	assert_string_equal("ID", aws.key_id);
	assert_string_equal("SECRET", aws.secret);
	assert_null(aws.token); /* that one belongs to the file's keys */
	assert_string_equal("eu-west-3", aws.region);
	assert_string_equal("http://b", aws.endpoint);
}

static void
test_profiles(void **state)
{
	struct vm_aws aws VM_CLEAN_AWS = { 0 }, other VM_CLEAN_AWS = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	write_file("credentials",
	    "[default]\r\naws_access_key_id = A\r\n"
	    "aws_secret_access_key = B\r\n"
	    "[lab]\naws_access_key_id=C\naws_secret_access_key=D\n"
	    "aws_session_token=E\n");
	write_file("config",
	    "[default]\nregion=eu-west-1\ns3 =\n  max = 1\n"
	    "[profile lab]\nregion = lab-1\nendpoint_url = http://lab\n");
	assert_int_equal(0, vm_aws_load(&aws, &err));
	assert_string_equal("A", aws.key_id);
	assert_string_equal("B", aws.secret);
	assert_string_equal("eu-west-1", aws.region);
	setenv("AWS_PROFILE", "lab", 1);
	assert_int_equal(0, vm_aws_load(&other, &err));
	assert_string_equal("C", other.key_id);
	assert_string_equal("E", other.token);
	assert_string_equal("lab-1", other.region);
	assert_string_equal("http://lab", other.endpoint);
}

static void
expect_refusal(const char *code)
{
	struct vm_aws aws VM_CLEAN_AWS = { 0 };
	struct vm_error err = { 0 };

	assert_int_equal(-1, vm_aws_load(&aws, &err));
	assert_int_equal(VM_E_CONFIG, err.kind);
	assert_string_equal(code, err.code);
	assert_null(aws.key_id);
}

static void
test_refused(void **state)
{
	(void)state;
	setenv("AWS_PROFILE", "nowhere", 1);
	expect_refusal("no_profile");
	unsetenv("AWS_PROFILE");
	write_file("config", "[default]\nsso_session = corp\n");
	expect_refusal("foreign_credentials");
	write_file("credentials", "[default]\naws_access_key_id=A\n");
	expect_refusal("half_credentials");
	setenv("AWS_ACCESS_KEY_ID", "ID", 1);
	expect_refusal("half_credentials");
}

static int
make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) == NULL ? -1 : 0;
}

static int
remove_directory(void **state)
{
	char path[sizeof(directory) + 32];

	(void)state;
	snprintf(path, sizeof(path), "%s/credentials", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/config", directory);
	unlink(path);
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing, clear),
		cmocka_unit_test_setup(test_environment, clear),
		cmocka_unit_test_setup(test_profiles, clear),
		cmocka_unit_test_setup(test_refused, clear),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
