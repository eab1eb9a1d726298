#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cli_table.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/nearest.h"
#include "lib/base/proc.h"
#include "lib/base/progress.h"
#include "lib/base/size.h"

/* Arrays handed out by the parser, kept so that they can outlive it. */
struct block {
	struct block *next;
	char *items[];
};

static struct block *blocks;
static enum vm_kind noted;

/* Where the parser is. */
struct parser {
	const struct vm_cli *cli;
	void *opts;
	char **argv;
	int argc;
	int next; /* the argument to be read next */
	char **operands;
	size_t operand_count;
};

void
vm_cli_start(const struct vm_cli *cli)
{
	struct vm_error err = { 0 };
	mode_t mask = umask(027);

	/* The owner's bits are ours to use, whatever the caller's mask. */
	umask((mask & 077) | 027);
	vm_log_start(cli->name, VM_LOG_WARN);
	if (vm_fd_check_standard(&err) == -1) {
		vm_log_failure(&err);
		exit((int)err.kind);
	}
	/* Only how text looks; numbers in files are not the locale's. */
	setlocale(LC_CTYPE, "");
	vm_proc_catch_signals();
}

int
vm_cli_usage(const struct vm_cli *cli, struct vm_error *err, const char *format,
    ...)
{
	char message[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	vm_error_set(err, VM_E_USAGE, "usage", "%s", message);
	return vm_error_hint(err, "%s --help", cli->name);
}

/* --- looking options up --------------------------------------------------- */

static const struct vm_cli_option *
find_letter(const struct vm_cli *cli, char letter)
{
	const struct vm_cli_option *option = NULL;

	while ((option = vm_cli_option_next(cli, option)) != NULL)
		if (option->letter == letter)
			return option;
	return NULL;
}

static int
fail_unknown(const struct vm_cli *cli, const char *name, struct vm_error *err)
{
	const struct vm_cli_option *option = NULL;
	struct vm_nearest nearest = { .word = name };

	while ((option = vm_cli_option_next(cli, option)) != NULL)
		if (option->name != NULL)
			vm_nearest_offer(&nearest, option->name);
	if (nearest.best == NULL)
		return vm_cli_usage(cli, err, "--%s: no such option", name);
	return vm_cli_usage(cli, err,
	    "--%s: no such option (did you mean --%s?)", name, nearest.best);
}

/* The whole name, else the only one that begins so. */
static const struct vm_cli_option *
find_name(const struct vm_cli *cli, const char *name, struct vm_error *err)
{
	const struct vm_cli_option *option = NULL, *found = NULL;
	size_t len = strlen(name), matches = 0;

	while ((option = vm_cli_option_next(cli, option)) != NULL) {
		if (option->name == NULL ||
		    strncmp(option->name, name, len) != 0)
			continue;
		if (option->name[len] == '\0')
			return option;
		if (matches++ > 0) {
			vm_cli_usage(cli, err, "--%s: --%s or --%s?", name,
			    found->name, option->name);
			return NULL;
		}
		found = option;
	}
	if (found == NULL)
		fail_unknown(cli, name, err);
	return found;
}

/* --- values --------------------------------------------------------------- */

/* Room for as many strings as there are arguments: it never has to grow. */
static char **
new_block(int argc, struct vm_error *err)
{
	struct block *block;

	block = calloc(1, sizeof(*block) + (size_t)argc * sizeof(char *));
	if (block == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	block->next = blocks;
	blocks = block;
	return block->items;
}

static int
add_to_list(const struct parser *p, struct vm_cli_list *list, char *value,
    struct vm_error *err)
{
	if (list->items == NULL)
		list->items = new_block(p->argc, err);
	if (list->items == NULL)
		return -1;
	list->items[list->count++] = value;
	return 0;
}

static int
parse_number(const struct vm_cli_option *option, const char *value,
    uint64_t *number, struct vm_error *err)
{
	uint64_t max = option->max != 0 ? option->max : UINT64_MAX;

	switch (option->type) {
	case VM_CLI_SIZE:
		return vm_size_parse(value, number, err);
	case VM_CLI_DURATION:
		return vm_size_parse_duration(value, number, err);
	default:
		return vm_size_parse_number(value, option->min, max, number,
		    err);
	}
}

static int
set_number(const struct parser *p, const struct vm_cli_option *option,
    const char *value, uint64_t *number, struct vm_error *err)
{
	char text[VM_CLI_OPTION_TEXT];
	struct vm_error why = { 0 };

	if (parse_number(option, value, number, &why) == 0)
		return 0;
	return vm_cli_usage(p->cli, err, "%s: %s",
	    vm_cli_option_text(option, text), why.message);
}

/* --help and --version answer at once. */
static _Noreturn void
answer(const struct parser *p, const struct vm_cli_option *option)
{
	if (strcmp(option->name, "help") == 0)
		vm_cli_print_help(p->cli);
	else
		vm_cli_print_version(p->cli);
	exit(vm_cli_finish());
}

static int
set_option(const struct parser *p, const struct vm_cli_option *option,
    char *value, struct vm_error *err)
{
	void *variable = (char *)p->opts + option->offset;

	switch (option->type) {
	case VM_CLI_FLAG:
		*(bool *)variable = true;
		return 0;
	case VM_CLI_COUNT:
		++*(int *)variable;
		return 0;
	case VM_CLI_STRING:
		*(const char **)variable = value != NULL ? value : "";
		return 0;
	case VM_CLI_LIST:
		return add_to_list(p, variable, value, err);
	case VM_CLI_NUMBER:
	case VM_CLI_SIZE:
	case VM_CLI_DURATION:
		return set_number(p, option, value, variable, err);
	case VM_CLI_CALL:
		if (option->call == NULL)
			answer(p, option);
		return option->call(option, value, p->opts, err);
	}
	return vm_error_set(err, VM_E_BUG, "bug", "option of no type");
}

/* --- the command line ----------------------------------------------------- */

/* The value of an option that had none attached: the next argument. */
static int
take_value(struct parser *p, const struct vm_cli_option *option, char **value,
    struct vm_error *err)
{
	char text[VM_CLI_OPTION_TEXT];

	if (p->next >= p->argc)
		return vm_cli_usage(p->cli, err, "%s needs a value, %s",
		    vm_cli_option_text(option, text), option->arg);
	*value = p->argv[p->next++];
	return 0;
}

static int
parse_long(struct parser *p, char *arg, struct vm_error *err)
{
	const struct vm_cli_option *option;
	char *equals = strchr(arg, '='), *value = NULL;
	char name[VM_CLI_OPTION_TEXT];
	size_t len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);

	if (strcmp(arg, "dump-options") == 0) {
		vm_cli_print_options(p->cli);
		exit(vm_cli_finish());
	}
	if (len >= sizeof(name))
		return vm_cli_usage(p->cli, err, "--%s: no such option", arg);
	memcpy(name, arg, len);
	name[len] = '\0';
	option = find_name(p->cli, name, err);
	if (option == NULL)
		return -1;
	if (option->arg == NULL && equals != NULL)
		return vm_cli_usage(p->cli, err, "--%s takes no value",
		    option->name);
	if (equals != NULL)
		value = equals + 1;
	else if (vm_cli_option_needs_value(option) &&
	    take_value(p, option, &value, err) == -1)
		return -1;
	return set_option(p, option, value, err);
}

/* "-Ho name", "-c3". */
static int
parse_letters(struct parser *p, char *letters, struct vm_error *err)
{
	for (; *letters != '\0'; letters++) {
		const struct vm_cli_option *option;
		char *value = NULL;

		option = find_letter(p->cli, *letters);
		if (option == NULL)
			return vm_cli_usage(p->cli, err, "-%c: no such option",
			    isprint((unsigned char)*letters) ? *letters : '?');
		if (!vm_cli_option_needs_value(option)) {
			if (set_option(p, option, NULL, err) == -1)
				return -1;
			continue;
		}
		if (letters[1] != '\0')
			value = letters + 1;
		else if (take_value(p, option, &value, err) == -1)
			return -1;
		return set_option(p, option, value, err);
	}
	return 0;
}

static int
parse_arguments(struct parser *p, struct vm_error *err)
{
	bool options = true;

	while (p->next < p->argc) {
		char *arg = p->argv[p->next++];

		if (!options || arg[0] != '-' || arg[1] == '\0') {
			p->operands[p->operand_count++] = arg;
			if ((p->cli->common & VM_CLI_COMMAND) != 0)
				options = false;
		} else if (strcmp(arg, "--") == 0)
			options = false;
		else if (arg[1] == '-') {
			if (parse_long(p, arg + 2, err) == -1)
				return -1;
		} else if (parse_letters(p, arg + 1, err) == -1)
			return -1;
	}
	return 0;
}

/* What holds for every command once its options are known. */
static void
apply(const struct vm_cli *cli, struct vm_cli_values *values)
{
	enum vm_log_level level = VM_LOG_WARN;

	if (values->root == NULL)
		values->root = getenv("VMPIPE_ROOT");
	if (values->root != NULL && values->root[0] == '\0')
		values->root = NULL;
	if (values->quiet)
		level = VM_LOG_ERROR;
	else if (values->verbose > 0)
		level = values->verbose > 1 ? VM_LOG_DEBUG : VM_LOG_INFO;
	vm_log_start(cli->name, level);
	vm_progress_setup(!values->quiet && isatty(STDERR_FILENO));
}

int
vm_cli_parse(const struct vm_cli *cli, void *opts, int argc, char *argv[],
    struct vm_error *err)
{
	struct vm_cli_values *values = opts;
	struct parser p = {
		.cli = cli, .opts = opts, .argv = argv, .argc = argc, .next = 1
	};

	p.operands = new_block(argc, err);
	if (p.operands == NULL)
		return -1;
	if (parse_arguments(&p, err) == -1)
		return -1;
	values->operands = p.operands;
	values->operand_count = p.operand_count;
	apply(cli, values);
	return 0;
}

/* --- the end -------------------------------------------------------------- */

static int
close_stdout(struct vm_error *err)
{
	static bool closed;
	bool failed;

	if (closed)
		return 0;
	closed = true;
	errno = 0;
	failed = ferror(stdout) != 0;
	/* fclose() reports what a full disk said on the last write. */
	if (fclose(stdout) != 0 || failed)
		return vm_error_errno(err, errno != 0 ? errno : EIO,
		    "standard output");
	return 0;
}

/* A failed system call on stdout is 74 whatever it was. */
static int
finish_stdout(int status)
{
	struct vm_error err = { 0 };

	if (close_stdout(&err) == 0)
		return status;
	vm_log_failure(&err);
	return VM_E_IO;
}

int
vm_cli_fail(const struct vm_error *err)
{
	int status = (int)err->kind;

	vm_log_failure(err);
	if (err->kind == VM_E_INTERRUPTED && vm_proc_stopped() != 0)
		status = 128 + vm_proc_stopped();
	finish_stdout(status);
	return status;
}

int
vm_cli_finish(void)
{
	int status = (int)noted;

	if (vm_proc_stopped() != 0)
		status = 128 + vm_proc_stopped();
	return finish_stdout(status);
}

void
vm_cli_note(enum vm_kind kind)
{
	if (kind == VM_OK || noted == kind)
		return;
	noted = noted == VM_OK ? kind : VM_E_MIXED;
}
