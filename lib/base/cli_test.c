#include "test/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cli.h"

struct opts {
	struct vm_cli_values common;
	uint64_t count, size, wait;
	const char *from, *maybe;
	struct vm_cli_list sets;
	bool force;
	char calls[64];
};

static int
note_call(const struct vm_cli_option *option, const char *value, void *opts,
    struct vm_error *err)
{
	struct opts *o = opts;
	size_t len;

	if (strcmp(value, "bad") == 0)
		return vm_error_set(err, VM_E_USAGE, "usage", "bad value");
	len = strlen(o->calls);
	snprintf(o->calls + len, sizeof(o->calls) - len, "%s=%s ", option->name,
	    value);
	return 0;
}

#define AT(field) offsetof(struct opts, field)

static const struct vm_cli_option options[] = {
	{ 'c', "count", "N", "how many", VM_CLI_NUMBER, AT(count), 1, 100,
	    NULL },
	{ 's', "size", "SIZE", "how large", VM_CLI_SIZE, AT(size), 0, 0, NULL },
	{ 0, "wait", "TIME", "how long", VM_CLI_DURATION, AT(wait), 0, 0,
	    NULL },
	{ 0, "from", "NAME", "from where", VM_CLI_STRING, AT(from), 0, 0,
	    NULL },
	{ 0, "set", "KEY=VALUE", "change", VM_CLI_LIST, AT(sets), 0, 0, NULL },
	{ 0, "maybe", "[=HOW]", "perhaps", VM_CLI_STRING, AT(maybe), 0, 0,
	    NULL },
	{ 'f', "force", NULL, "insist", VM_CLI_FLAG, AT(force), 0, 0, NULL },
	{ 0, "run", "FILE", "run it", VM_CLI_CALL, 0, 0, 0, note_call },
	{ 0, "run-command", "CMD", "run it", VM_CLI_CALL, 0, 0, 0, note_call },
	{ 0 },
};

static const struct vm_cli cli = {
	.name = "vmtest",
	.synopsis = "[NAME ...]",
	.summary = "for the test",
	.options = options,
	.common = VM_CLI_DRY_RUN | VM_CLI_JOBS | VM_CLI_OUTPUT,
};

static const struct vm_cli command_cli = {
	.name = "vmtest",
	.synopsis = "NAME [COMMAND ...]",
	.summary = "for the test",
	.options = options,
	.common = VM_CLI_COMMAND,
};

/* Parse the words of a NULL-terminated list. */
static int
parse(const struct vm_cli *c, struct opts *opts, struct vm_error *err, ...)
{
	static char *argv[32];
	char name[] = "vmtest";
	int argc = 1;
	va_list ap;

	argv[0] = name;
	va_start(ap, err);
	while ((argv[argc] = va_arg(ap, char *)) != NULL)
		argc++;
	va_end(ap);
	*opts = (struct opts){ .count = 1 };
	return vm_cli_parse(c, opts, argc, argv, err);
}

static void
test_values(void **state)
{
	struct vm_error err = { 0 };
	struct opts o;

	(void)state;
	assert_int_equal(parse(&cli, &o, &err, "-c3", "a", "--size=2G",
			     "--wait", "1m30s", "--set", "x=1", "-fn",
			     "--set=y=2", "--", "-b", NULL),
	    0);
	assert_int_equal(o.count, 3);
	assert_int_equal(o.size, (uint64_t)2 << 30);
	assert_int_equal(o.wait, 90000);
	assert_true(o.force && o.common.dry_run);
	assert_int_equal(o.sets.count, 2);
	assert_string_equal(o.sets.items[0], "x=1");
	assert_string_equal(o.sets.items[1], "y=2");
	assert_int_equal(o.common.operand_count, 2);
	assert_string_equal(o.common.operands[0], "a");
	assert_string_equal(o.common.operands[1], "-b");
	assert_null(o.maybe);
	assert_int_equal(parse(&cli, &o, &err, "--maybe", "a", NULL), 0);
	assert_string_equal(o.maybe, "");
	assert_int_equal(o.common.operand_count, 1);
	assert_int_equal(parse(&cli, &o, &err, "--maybe=so", NULL), 0);
	assert_string_equal(o.maybe, "so");
}

static void
test_letters(void **state)
{
	struct vm_error err = { 0 };
	struct opts o;

	(void)state;
	assert_int_equal(parse(&cli, &o, &err, "-Ho", "name", "-", "-vv", NULL),
	    0);
	assert_true(o.common.no_header);
	assert_string_equal(o.common.fields, "name");
	assert_int_equal(o.common.verbose, 2);
	assert_int_equal(o.common.operand_count, 1);
	assert_string_equal(o.common.operands[0], "-");
	assert_int_equal(o.count, 1);
}

static void
test_abbreviations(void **state)
{
	struct vm_error err = { 0 };
	struct opts o;

	(void)state;
	assert_int_equal(parse(&cli, &o, &err, "--fro", "x", "--run=1",
			     "--run-c", "2", NULL),
	    0);
	assert_string_equal(o.from, "x");
	assert_string_equal(o.calls, "run=1 run-command=2 ");
	assert_int_equal(parse(&cli, &o, &err, "--ru", "x", NULL), -1);
	assert_string_equal(err.message, "--ru: --run or --run-command?");
}

static void
refuse(const char *word, const char *value, const char *message)
{
	struct vm_error err = { 0 };
	struct opts o;

	assert_int_equal(parse(&cli, &o, &err, word, value, NULL), -1);
	assert_int_equal(err.kind, VM_E_USAGE);
	assert_string_equal(err.message, message);
}

static void
test_refused(void **state)
{
	(void)state;
	refuse("--cuont", "3",
	    "--cuont: no such option "
	    "(did you mean --count?)");
	refuse("--zebra=x", NULL, "--zebra: no such option");
	refuse("-z", NULL, "-z: no such option");
	refuse("-c", NULL, "--count needs a value, N");
	refuse("--force=yes", NULL, "--force takes no value");
	refuse("--run", "bad", "bad value");
	/* of another command's set */
	refuse("--json", NULL, "--json: no such option");
}

static void
test_bad_numbers(void **state)
{
	static const char *const bad[] = { "0", "101", "-1", "3x", "",
		"99999999999999999999" };
	struct vm_error err = { 0 };
	struct opts o;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(&cli, &o, &err, "-c", bad[i], NULL), -1);
		assert_int_equal(err.kind, VM_E_USAGE);
		assert_string_equal(err.hint, "vmtest --help");
	}
	assert_int_equal(parse(&cli, &o, &err, "--size", "10GG", NULL), -1);
	assert_int_equal(err.kind, VM_E_USAGE);
	assert_int_equal(parse(&cli, &o, &err, "--wait", "soon", NULL), -1);
	assert_int_equal(err.kind, VM_E_USAGE);
}

/* What follows the first operand belongs to the command named there. */
static void
test_command(void **state)
{
	struct vm_error err = { 0 };
	struct opts o;

	(void)state;
	assert_int_equal(parse(&command_cli, &o, &err, "-f", "box", "ls", "-q",
			     "--", NULL),
	    0);
	assert_true(o.force);
	assert_false(o.common.quiet);
	assert_int_equal(o.common.operand_count, 4);
	assert_string_equal(o.common.operands[3], "--");
}

static void
test_root(void **state)
{
	struct vm_error err = { 0 };
	struct opts o;

	(void)state;
	setenv("VMPIPE_ROOT", "/a", 1);
	assert_int_equal(parse(&cli, &o, &err, NULL), 0);
	assert_string_equal(o.common.root, "/a");
	assert_int_equal(parse(&cli, &o, &err, "--root", "/b", NULL), 0);
	assert_string_equal(o.common.root, "/b");
	setenv("VMPIPE_ROOT", "", 1);
	assert_int_equal(parse(&cli, &o, &err, NULL), 0);
	assert_null(o.common.root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_letters),
		cmocka_unit_test(test_abbreviations),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_root),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
