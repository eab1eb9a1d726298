/*
 * A record line: what parses must print, and parse again to the same value.
 */
#include <stdlib.h>

#include "lib/record/record.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_JSON struct vm_json *json = NULL, *again = NULL;
	VM_CLEAN_BUF struct vm_buf line = { 0 };
	struct vm_error err = { 0 };
	char subject[256];

	json = vm_json_parse((const char *)data, size, &err);
	if (json == NULL)
		return 0;
	if (vm_json_format(json, false, &line, &err) == -1)
		abort();
	again = vm_json_parse(line.data, line.len, &err);
	if (again == NULL || !vm_json_is_equal(json, again))
		abort();
	if (vm_record_check(json, &err) == 0)
		vm_record_subject(json, subject, sizeof(subject));
	return 0;
}
