#include "lib/image/ovf_href.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/clean.h"
#include "lib/base/log.h"

#define SHOWN 128
#define HREF_MAX 1024

static bool
has_scheme(const char *href)
{
	const char *c = href;

	if (!isalpha((unsigned char)*c))
		return false;
	while (isalnum((unsigned char)*c) || strchr("+.-", *c) != NULL) {
		if (*c == '\0')
			return false;
		c++;
	}
	return *c == ':';
}

static int
hex_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX decoded in place; false when it is no such thing, or NUL. */
static bool
decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		int high, low;

		*to++ = *from;
		if (*from != '%')
			continue;
		high = hex_value(from[1]);
		low = high < 0 ? -1 : hex_value(from[2]);
		if (low < 0 || high + low == 0)
			return false;
		to[-1] = (char)(high << 4 | low);
		from += 2;
	}
	*to = '\0';
	return true;
}

static bool
leads_up(const char *path)
{
	for (; path != NULL; path = strchr(path, '/')) {
		path += *path == '/';
		if (strncmp(path, "..", 2) == 0 &&
		    (path[2] == '/' || path[2] == '\0'))
			return true;
	}
	return false;
}

static char *
refuse(const char *why, const char *href, struct vm_error *err)
{
	char shown[SHOWN];

	vm_error_set(err, VM_E_DATA, "bad_href", "file \"%s\": %s",
	    vm_log_escape(href, shown, sizeof(shown)), why);
	return NULL;
}

char *
vm_ovf_href(const char *href, struct vm_error *err)
{
	char *path VM_CLEAN_FREE = NULL;
	char shown[HREF_MAX + 1];
	const char *begin;

	if (href[0] == '\0' || strlen(href) > HREF_MAX)
		return refuse("it has no name, or too long a one", href, err);
	if (has_scheme(href))
		return refuse("it is elsewhere; only files beside the OVF are "
			      "taken",
		    href, err);
	path = vm_buf_printf(err, "%s", href);
	if (path == NULL)
		return NULL;
	if (!decode(path) || path[0] == '/' || leads_up(path) ||
	    strcmp(vm_log_escape(path, shown, sizeof(shown)), path) != 0)
		return refuse("not a file beside the OVF", href, err);
	for (begin = path; strncmp(begin, "./", 2) == 0;)
		for (begin += 2; *begin == '/'; begin++)
			continue;
	if (*begin == '\0')
		return refuse("not a file beside the OVF", href, err);
	return vm_buf_printf(err, "%s", begin);
}
