/*
 * cli_table.h - a command's option table as a whole; private to cli*.c.
 */
#ifndef VM_BASE_CLI_TABLE_H
#define VM_BASE_CLI_TABLE_H

#include "lib/base/cli.h"

/*
 * The option after `option` (NULL: the first): the command's own, then the
 * common ones that it takes; NULL at the end.
 */
const struct vm_cli_option *vm_cli_option_next(const struct vm_cli *cli,
    const struct vm_cli_option *option);
/* Must there be a value, in the next argument if none is attached? */
bool vm_cli_option_needs_value(const struct vm_cli_option *option);
bool vm_cli_option_is_common(const struct vm_cli_option *option);

/* "--count" or "-c", as messages name it. */
#define VM_CLI_OPTION_TEXT 64
const char *vm_cli_option_text(const struct vm_cli_option *option,
    char out[VM_CLI_OPTION_TEXT]);

/* To stdout. */
void vm_cli_print_help(const struct vm_cli *cli);
void vm_cli_print_options(const struct vm_cli *cli);
void vm_cli_print_version(const struct vm_cli *cli);

#endif
