#include "lib/base/cli_verb.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/nearest.h"

static int
refuse_word(const struct vm_cli *cli, const struct vm_cli_verb *verbs,
    const char *word, struct vm_error *err)
{
	struct vm_nearest nearest = { .word = word };
	char all[256] = "";
	size_t i, used;

	for (i = 0; verbs[i].name != NULL; i++) {
		if (word != NULL)
			vm_nearest_offer(&nearest, verbs[i].name);
		used = strlen(all);
		snprintf(all + used, sizeof(all) - used, "%s%s",
		    i == 0			  ? "" :
			verbs[i + 1].name == NULL ? " or " :
						    ", ",
		    verbs[i].name);
	}
	if (nearest.best != NULL)
		return vm_cli_usage(cli, err,
		    "%s: cannot do that (did you mean %s?)", word,
		    nearest.best);
	return vm_cli_usage(cli, err, "%s%ssay what to do: %s",
	    word != NULL ? word : "", word != NULL ? ": " : "", all);
}

int
vm_cli_find_verb(const struct vm_cli *cli, const struct vm_cli_verb *verbs,
    const struct vm_cli_values *values, unsigned given, struct vm_error *err)
{
	size_t behind = values->operand_count - 1, i;

	if (values->operand_count == 0)
		return refuse_word(cli, verbs, NULL, err);
	for (i = 0; verbs[i].name != NULL; i++) {
		if (strcmp(verbs[i].name, values->operands[0]) == 0)
			break;
	}
	if (verbs[i].name == NULL)
		return refuse_word(cli, verbs, values->operands[0], err);
	if (behind < verbs[i].min || behind > verbs[i].max)
		return vm_cli_usage(cli, err,
		    "wrong number of operands for: %s %s%s", cli->name,
		    verbs[i].name, verbs[i].synopsis);
	if ((given & ~verbs[i].options) != 0)
		return vm_cli_usage(cli, err,
		    "an option that is not for: %s %s%s", cli->name,
		    verbs[i].name, verbs[i].synopsis);
	return (int)i;
}
