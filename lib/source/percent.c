#include "lib/source/percent.h"

#include <string.h>

#include "lib/base/buf.h"

static bool
is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c) != NULL);
}

char *
vm_percent_encode(const char *text, bool keep_slash, struct vm_error *err)
{
	static const char digits[] = "0123456789ABCDEF";
	VM_CLEAN_BUF struct vm_buf out = { 0 };

	if (vm_buf_reserve(&out, 3 * strlen(text) + 1, err) == -1)
		return NULL;
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		char code[3] = { '%', digits[c >> 4], digits[c & 15] };
		bool plain = is_unreserved(*text) ||
		    (keep_slash && *text == '/');

		if (vm_buf_add(&out, plain ? text : code, plain ? 1 : 3, err) ==
		    -1)
			return NULL;
	}
	return vm_buf_take(&out, err);
}
