#include "lib/adapt/curl_range.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
vm_range_parse(const char *text, uint64_t *first, uint64_t *last,
    uint64_t *total)
{
	static const char marks[] = "-/";
	uint64_t *const numbers[] = { first, last, total };
	char *end;

	if (strncmp(text, "bytes ", 6) != 0)
		return false;
	text += 6;
	for (size_t i = 0; i < 3; i++) {
		if (*text < '0' || *text > '9')
			return false;
		*numbers[i] = strtoull(text, &end, 10);
		if (*end != marks[i])
			return false;
		text = end + 1;
	}
	return true;
}

void
vm_range_format(uint64_t first, uint64_t end, char *out, size_t size)
{
	if (end == 0)
		snprintf(out, size, "bytes=%llu-", (unsigned long long)first);
	else
		snprintf(out, size, "bytes=%llu-%llu",
		    (unsigned long long)first, (unsigned long long)end - 1);
}
