#include <stdio.h>
#include <string.h>

#include "lib/base/cli_table.h"

#define WIDTH 79      /* of the whole */
#define COLUMN_MAX 30 /* where the text begins at most */

/* "  -c, --count N" */
static int
format_option(const struct vm_cli_option *option, char *out, size_t size)
{
	char letter[8] = "    ";
	const char *space = vm_cli_option_needs_value(option) ? " " : "";
	const char *arg = option->arg != NULL ? option->arg : "";

	if (option->letter != '\0')
		snprintf(letter, sizeof(letter), "-%c%s", option->letter,
		    option->name != NULL ? ", " : "");
	if (option->name == NULL)
		return snprintf(out, size, "  %s%s%s", letter, space, arg);
	return snprintf(out, size, "  %s--%s%s%s", letter, option->name, space,
	    arg);
}

static int
find_column(const struct vm_cli *cli)
{
	const struct vm_cli_option *option = NULL;
	char text[128];
	int column = 0;

	while ((option = vm_cli_option_next(cli, option)) != NULL) {
		int len = format_option(option, text, sizeof(text)) + 2;

		if (len > column && len <= COLUMN_MAX)
			column = len;
	}
	return column;
}

/* Words from the current column `at`, broken before WIDTH. */
static void
print_words(const char *text, int column)
{
	int at = column;

	while (*text != '\0') {
		int len = (int)strcspn(text, " ");

		if (at > column && at + 1 + len > WIDTH) {
			printf("\n%*s", column, "");
			at = column;
		} else if (at > column) {
			putchar(' ');
			at++;
		}
		printf("%.*s", len, text);
		at += len;
		text += len + (text[len] == ' ');
	}
	putchar('\n');
}

static void
print_option(const struct vm_cli_option *option, int column)
{
	char text[128];
	int len = format_option(option, text, sizeof(text));

	if (len + 2 > column)
		printf("%s\n%*s", text, column, "");
	else
		printf("%-*s", column, text);
	print_words(option->help, column);
}

void
vm_cli_print_help(const struct vm_cli *cli)
{
	const struct vm_cli_option *option = NULL;
	const char *synopsis = cli->synopsis != NULL ? cli->synopsis : "";
	bool in_common = false;
	int column = find_column(cli);

	printf("usage: %s [option ...]%s%s\n", cli->name,
	    *synopsis != '\0' ? " " : "", synopsis);
	printf("%s: %s\n", cli->name, cli->summary);
	if (vm_cli_option_next(cli, NULL) == cli->options)
		printf("\nOptions:\n");
	while ((option = vm_cli_option_next(cli, option)) != NULL) {
		if (!in_common && vm_cli_option_is_common(option)) {
			printf("\nCommon options:\n");
			in_common = true;
		}
		print_option(option, column);
	}
	printf("\nSee %s(1) for examples.\n", cli->name);
}

void
vm_cli_print_options(const struct vm_cli *cli)
{
	const struct vm_cli_option *option = NULL;

	while ((option = vm_cli_option_next(cli, option)) != NULL) {
		if (option->letter != '\0')
			printf("-%c", option->letter);
		printf("\t%s%s\t%s\t%s\n", option->name != NULL ? "--" : "",
		    option->name != NULL ? option->name : "",
		    vm_cli_option_needs_value(option) ? option->arg : "",
		    option->help);
	}
}

void
vm_cli_print_version(const struct vm_cli *cli)
{
	printf("%s (vmpipe) %s\n", cli->name, VM_VERSION);
}
