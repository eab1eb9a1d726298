#include "test/unit.h"

#include <sys/mman.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/record/output.h"

static const char *const vm_text =
    "{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"a\",\"state\":\"ready\","
    "\"image\":{\"id\":\"f00\",\"virtual_size\":1610612736},\"drift\":[],"
    "\"identity\":{\"nics\":[{\"mac\":\"m0\"},{\"mac\":\"m1\","
    "\"address\":\"x\"}]},\"note\":\"a\\tb\\\\c\\nd\\u001b[31m\","
    "\"private\":{\"key\":\"SECRET\"}}";

static struct vm_json *
json(const char *text)
{
	struct vm_json *value = vm_json_parse(text, strlen(text), NULL);

	assert_non_null(value);
	return value;
}

static int
write_to(int fd, const struct vm_output *output,
    const struct vm_cli_values *values, const char *text, struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	int saved, rc;

	assert_int_equal(vm_records_add(&records, json(text), err), 0);
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	assert_int_not_equal(dup2(fd, STDOUT_FILENO), -1);
	rc = vm_output_write(output, values, &records, err);
	assert_int_not_equal(dup2(saved, STDOUT_FILENO), -1);
	close(saved);
	return rc;
}

/* What is written of one record. */
static void
expect(const struct vm_output *output, const struct vm_cli_values *values,
    const char *text, const char *wanted)
{
	VM_CLEAN_FD int fd = memfd_create("out", MFD_CLOEXEC);
	struct vm_error err = { 0 };
	char got[4096] = "";

	assert_int_equal(write_to(fd, output, values, text, &err), 0);
	assert_int_not_equal(pread(fd, got, sizeof(got) - 1, 0), -1);
	assert_string_equal(got, wanted);
}

static void
test_json(void **state)
{
	struct vm_cli_values values = { 0 };

	(void)state;
	expect(&vm_output_pipe, &values, "{\"b\":1,\"a\":{\"x\":[1.5,null]}}",
	    "{\"b\":1,\"a\":{\"x\":[1.5,null]}}\n");
	expect(&vm_output_pipe, &values,
	    "{\"name\":\"a\",\"private\":{\"key\":\"SECRET\"}}",
	    "{\"name\":\"a\"}\n");
}

/* Fields keep their paths. */
static void
test_json_fields(void **state)
{
	struct vm_cli_values values = { .fields = "name,image.id,no.such" };

	(void)state;
	expect(&vm_output_pipe, &values, vm_text,
	    "{\"name\":\"a\",\"image\":{\"id\":\"f00\"}}\n");
	values.fields = "identity.nics.1.mac,identity.nics.1.address";
	expect(&vm_output_pipe, &values, vm_text,
	    "{\"identity\":{\"nics\":[null,{\"mac\":\"m1\","
	    "\"address\":\"x\"}]}}\n");
	values.fields = "identity.nics.1.mac,identity.nics.0.mac";
	expect(&vm_output_pipe, &values, vm_text,
	    "{\"identity\":{\"nics\":[{\"mac\":\"m0\"},"
	    "{\"mac\":\"m1\"}]}}\n");
}

static void
test_tabs(void **state)
{
	struct vm_cli_values values = { .fields = "name,image.virtual_size,"
						  "no.such,drift",
		.no_header = true };

	(void)state;
	expect(&vm_output_pipe, &values, vm_text, "a\t1.5G\t-\t-\n");
	values.exact = true;
	expect(&vm_output_pipe, &values, vm_text, "a\t1610612736\t-\t-\n");
	values.fields = "note";
	expect(&vm_output_pipe, &values, vm_text, "a\\tb\\\\c\\nd\x1b[31m\n");
	values.fields = "drift";
	expect(&vm_output_pipe, &values, "{\"drift\":[\"image\",\"disk\"]}",
	    "image,disk\n");
	expect(&vm_output_pipe, &values, "{\"drift\":[1,{}]}", "[1,{}]\n");
}

static void
test_table(void **state)
{
	struct vm_cli_values values = {
		.fields = "name,image.virtual_size,note"
	};
	struct vm_output output = vm_output_pipe;

	(void)state;
	output.table_always = true;
	expect(&output, &values, vm_text,
	    "NAME SIZE NOTE\n"
	    "a    1.5G a\\tb\\c\\nd\\x1b[31m\n");
	values.json = true;
	values.fields = "name";
	expect(&output, &values, vm_text, "{\"name\":\"a\"}\n");
}

static void
test_refused(void **state)
{
	static const char *const bad[] = { "", "a,", ",a", "a,,b" };
	struct vm_cli_values values = { 0 };
	struct vm_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		values.fields = bad[i];
		assert_int_equal(write_to(STDERR_FILENO, &vm_output_pipe,
				     &values, vm_text, &err),
		    -1);
		assert_int_equal(err.kind, VM_E_USAGE);
	}
	values.fields = "private.key";
	assert_int_equal(write_to(STDERR_FILENO, &vm_output_pipe, &values,
			     vm_text, &err),
	    -1);
	assert_int_equal(err.kind, VM_E_DENIED);
}

static void
test_full_and_closed(void **state)
{
	VM_CLEAN_FD int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct vm_cli_values values = { 0 };
	struct vm_error err = { 0 };
	int ends[2];

	(void)state;
	assert_int_equal(write_to(full, &vm_output_pipe, &values, vm_text,
			     &err),
	    -1);
	assert_int_equal(err.kind, VM_E_IO);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	vm_error_clear(&err);
	assert_int_equal(write_to(ends[1], &vm_output_pipe, &values, vm_text,
			     &err),
	    -1);
	close(ends[1]);
	assert_int_equal(err.kind, VM_E_IO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_fields),
		cmocka_unit_test(test_tabs),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_full_and_closed),
	};

	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
