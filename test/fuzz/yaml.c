/*
 * A manifest as text: refused with a position, or a tree without surprises.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/adapt/yaml.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
check(const struct vm_yaml_node *node, unsigned depth)
{
	const struct vm_yaml_node *child;
	size_t count = 0;

	if (depth > VM_YAML_MAX_DEPTH || node->line == 0 || node->column == 0)
		abort();
	if (node->type == VM_YAML_SCALAR && node->text == NULL)
		abort();
	for (child = node->first; child != NULL; child = child->next) {
		check(child, depth + 1);
		count++;
	}
	if (count != (node->type == VM_YAML_MAPPING ? 2 : 1) * node->count)
		abort();
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_YAML struct vm_yaml_node *node = NULL;
	struct vm_error err = { 0 };

	node = vm_yaml_parse("f", (const char *)data, size, &err);
	if (node != NULL)
		check(node, 0);
	else if (err.kind == VM_E_DATA && strncmp(err.message, "f:", 2) != 0)
		abort();
	return 0;
}
