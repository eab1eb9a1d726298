#include <stdio.h>
#include <string.h>

#include "lib/base/cli_table.h"

#define COMMON(field) offsetof(struct vm_cli_values, field)

static const struct {
	unsigned flag; /* enum vm_cli_common; 0: every command */
	struct vm_cli_option option;
} common[] = {
	{ VM_CLI_DRY_RUN,
	    { .letter = 'n',
		.name = "dry-run",
		.help = "say what would be done and touch nothing",
		.type = VM_CLI_FLAG,
		.offset = COMMON(dry_run) } },
	{ VM_CLI_JOBS,
	    { .letter = 'j',
		.name = "jobs",
		.arg = "N",
		.help = "do N things at a time (default: one per processor)",
		.type = VM_CLI_NUMBER,
		.offset = COMMON(jobs),
		.min = 1,
		.max = 1024 } },
	{ VM_CLI_EMPTY_OK,
	    { .letter = 'r',
		.name = "allow-empty",
		.help = "no input is fine: do nothing",
		.type = VM_CLI_FLAG,
		.offset = COMMON(allow_empty) } },
	{ VM_CLI_OUTPUT,
	    { .letter = 'o',
		.name = "output",
		.arg = "FIELDS",
		.help = "print these fields, a,b.c; \"-o help\" lists them",
		.type = VM_CLI_STRING,
		.offset = COMMON(fields) } },
	{ VM_CLI_OUTPUT,
	    { .letter = 'H',
		.name = "no-header",
		.help = "print values separated by tabs, with no header",
		.type = VM_CLI_FLAG,
		.offset = COMMON(no_header) } },
	{ VM_CLI_OUTPUT,
	    { .letter = 'p',
		.name = "exact",
		.help = "print exact numbers",
		.type = VM_CLI_FLAG,
		.offset = COMMON(exact) } },
	{ VM_CLI_JSON,
	    { .name = "json",
		.help = "print records, one JSON object per line",
		.type = VM_CLI_FLAG,
		.offset = COMMON(json) } },
	{ 0,
	    { .name = "root",
		.arg = "DIR",
		.help = "the store (default: $VMPIPE_ROOT)",
		.type = VM_CLI_STRING,
		.offset = COMMON(root) } },
	{ 0,
	    { .letter = 'q',
		.name = "quiet",
		.help = "print errors only",
		.type = VM_CLI_FLAG,
		.offset = COMMON(quiet) } },
	{ 0,
	    { .letter = 'v',
		.name = "verbose",
		.help = "say what is being done; twice: in detail",
		.type = VM_CLI_COUNT,
		.offset = COMMON(verbose) } },
	{ 0,
	    { .letter = 'h',
		.name = "help",
		.help = "print this and exit",
		.type = VM_CLI_CALL } },
	{ 0,
	    { .name = "version",
		.help = "print the version and exit",
		.type = VM_CLI_CALL } },
};

#define COMMON_COUNT (sizeof(common) / sizeof(common[0]))

/* A position in the common table, or -1. */
static int
common_index(const struct vm_cli_option *option)
{
	for (size_t i = 0; i < COMMON_COUNT; i++)
		if (option == &common[i].option)
			return (int)i;
	return -1;
}

static bool
is_end(const struct vm_cli_option *option)
{
	return option->letter == '\0' && option->name == NULL;
}

const struct vm_cli_option *
vm_cli_option_next(const struct vm_cli *cli, const struct vm_cli_option *option)
{
	size_t i = 0;

	if (option == NULL || !vm_cli_option_is_common(option)) {
		option = option == NULL ? cli->options : option + 1;
		if (option != NULL && !is_end(option))
			return option;
	} else
		i = (size_t)common_index(option) + 1;
	for (; i < COMMON_COUNT; i++)
		if (common[i].flag == 0 || (common[i].flag & cli->common) != 0)
			return &common[i].option;
	return NULL;
}

bool
vm_cli_option_is_common(const struct vm_cli_option *option)
{
	return common_index(option) != -1;
}

bool
vm_cli_option_needs_value(const struct vm_cli_option *option)
{
	return option->arg != NULL && option->arg[0] != '[';
}

const char *
vm_cli_option_text(const struct vm_cli_option *option,
    char out[VM_CLI_OPTION_TEXT])
{
	if (option->name != NULL)
		snprintf(out, VM_CLI_OPTION_TEXT, "--%s", option->name);
	else
		snprintf(out, VM_CLI_OPTION_TEXT, "-%c", option->letter);
	return out;
}
