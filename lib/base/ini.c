#include "lib/base/ini.h"

#include <ctype.h>
#include <string.h>

int
vm_ini_init(struct vm_ini *ini, struct vm_buf *text, const char *name,
    struct vm_error *err)
{
	if (text->len > 0 && memchr(text->data, '\0', text->len) != NULL)
		return vm_error_set(err, VM_E_DATA, "bad_ini",
		    "%s: not a text file: a NUL in it", name);
	*ini = (struct vm_ini){ .text = text, .name = name, .section = "" };
	return 0;
}

static int
fail(const struct vm_ini *ini, const char *what, struct vm_error *err)
{
	return vm_error_set(err, VM_E_DATA, "bad_ini", "%s:%u: %s", ini->name,
	    ini->line, what);
}

/* The line that begins here, cut off, and past it; NULL at the end. */
static char *
take_line(struct vm_ini *ini)
{
	char *line, *end;

	if (ini->at >= ini->text->len)
		return NULL;
	line = ini->text->data + ini->at;
	end = line + strcspn(line, "\n");
	ini->at = (size_t)(end - ini->text->data) + 1;
	ini->line++;
	*end = '\0';
	while (end > line && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return line;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Is the next line that is not empty one that goes on? */
static bool
goes_on(const struct vm_ini *ini)
{
	const char *next = ini->text->data + ini->at;

	return ini->at < ini->text->len && is_blank(next[strspn(next, "\r\n")]);
}

/* Join the lines that go on with it, closing the gaps. */
static void
join_lines(struct vm_ini *ini, char *value)
{
	char *end = value + strlen(value);

	while (goes_on(ini)) {
		char *line = take_line(ini);
		size_t len;

		if (line == NULL) /* goes_on() has seen one */
			return;
		while (is_blank(*line))
			line++;
		len = strlen(line);
		*end++ = '\n';
		memmove(end, line, len + 1);
		end += len;
	}
}

static int
read_section(struct vm_ini *ini, char *line, struct vm_ini_entry *entry,
    struct vm_error *err)
{
	char *end = strchr(line, ']');

	if (end == NULL || end[1] != '\0' || end == line + 1)
		return fail(ini, "not a [section]", err);
	*end = '\0';
	ini->section = line + 1;
	*entry = (struct vm_ini_entry){
		.section = ini->section, .value = "", .line = ini->line
	};
	return 1;
}

static int
read_entry(struct vm_ini *ini, char *line, struct vm_ini_entry *entry,
    struct vm_error *err)
{
	char *equals = strchr(line, '='), *value;

	if (equals == NULL || equals == line)
		return fail(ini, "neither [section] nor key=value", err);
	for (value = equals + 1; is_blank(*value); value++)
		continue;
	while (equals > line && is_blank(equals[-1]))
		equals--;
	*equals = '\0';
	*entry = (struct vm_ini_entry){ ini->section, line, value, ini->line };
	join_lines(ini, value);
	return 1;
}

int
vm_ini_next(struct vm_ini *ini, struct vm_ini_entry *entry,
    struct vm_error *err)
{
	char *line;

	while ((line = take_line(ini)) != NULL) {
		if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
			continue;
		if (is_blank(line[0]))
			return fail(ini, "goes on with nothing", err);
		return line[0] == '[' ? read_section(ini, line, entry, err) :
					read_entry(ini, line, entry, err);
	}
	return 0;
}
