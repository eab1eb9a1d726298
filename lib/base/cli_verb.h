/*
 * cli_verb.h - commands whose first operand says what to do.
 */
#ifndef VM_BASE_CLI_VERB_H
#define VM_BASE_CLI_VERB_H

#include "lib/base/cli.h"

struct vm_cli_verb {
	const char *name;
	const char *synopsis; /* what follows it: " MANIFEST ..." */
	size_t min, max;      /* operands behind it */
	unsigned options;     /* those of the command that it takes, as bits */
};

/*
 * Find the verb that values->operands begins with; `given` has a bit for each
 * option that was given and is not for all verbs.  Returns its index in verbs,
 * which end with an all-zero one.  -1 with VM_E_USAGE "usage": no such verb
 * (the nearest is named, or all), wrong number of operands, or an option that
 * is not for it.
 */
int vm_cli_find_verb(const struct vm_cli *cli, const struct vm_cli_verb *verbs,
    const struct vm_cli_values *values, unsigned given, struct vm_error *err)
    VM_MUST_CHECK;

#endif
