/* argv.c - see argv.h. */
#include "lib/host/argv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Take one word; NULL: memory was out. */
static int
take(struct vm_argv *argv, char *word, struct vm_error *err)
{
	char **items;

	if (word == NULL)
		return vm_error_nomem(err);
	items = realloc(argv->items, (argv->count + 2) * sizeof(*items));
	if (items == NULL) {
		free(word);
		return vm_error_nomem(err);
	}
	argv->items = items;
	items[argv->count++] = word;
	items[argv->count] = NULL;
	return 0;
}

int
vm_argv_add(struct vm_argv *argv, struct vm_error *err, ...)
{
	const char *word;
	va_list ap;
	int rc = 0;

	va_start(ap, err);
	while (rc == 0 && (word = va_arg(ap, const char *)) != NULL)
		rc = take(argv, strdup(word), err);
	va_end(ap);
	return rc;
}

int
vm_argv_option(struct vm_argv *argv, struct vm_error *err, const char *option,
    const char *format, ...)
{
	char *value = NULL;
	va_list ap;
	int n;

	if (vm_argv_add(argv, err, option, (char *)NULL) == -1)
		return -1;
	va_start(ap, format);
	n = vasprintf(&value, format, ap);
	va_end(ap);
	return take(argv, n == -1 ? NULL : value, err);
}

static int
add_quoted(struct vm_buf *out, const char *word, struct vm_error *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_@%+=:,./-";
	const char *c;

	if (*word != '\0' && word[strspn(word, plain)] == '\0')
		return vm_buf_add_string(out, word, err);
	if (vm_buf_add_string(out, "'", err) == -1)
		return -1;
	for (c = word; *c != '\0'; c++) {
		if (*c == '\'' ? vm_buf_add_string(out, "'\\''", err) == -1 :
				 vm_buf_add(out, c, 1, err) == -1)
			return -1;
	}
	return vm_buf_add_string(out, "'", err);
}

int
vm_argv_format(const struct vm_argv *argv, struct vm_buf *out,
    struct vm_error *err)
{
	size_t i;

	for (i = 0; i < argv->count; i++) {
		if ((i > 0 && vm_buf_add_string(out, " ", err) == -1) ||
		    add_quoted(out, argv->items[i], err) == -1)
			return -1;
	}
	return 0;
}

void
vm_argv_release(struct vm_argv *argv)
{
	size_t i;

	for (i = 0; i < argv->count; i++)
		free(argv->items[i]);
	free(argv->items);
	*argv = (struct vm_argv){ 0 };
}
