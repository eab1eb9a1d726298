#include "lib/disk/vmdk_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clean.h"

bool
vm_vmdk_is_text(const void *head, size_t len)
{
	static const char version[] = "version=", type[] = "createType";
	const char *at = head, *end = at + len;

	while (at < end && *at != '\0' && strchr("#\r\n ", *at) != NULL) {
		at = *at == '#' ? memchr(at, '\n', (size_t)(end - at)) : at;
		if (at == NULL)
			return false;
		at++;
	}
	return (size_t)(end - at) >= sizeof(version) - 1 &&
	    memcmp(at, version, sizeof(version) - 1) == 0 &&
	    memmem(at, (size_t)(end - at), type, sizeof(type) - 1) != NULL;
}

struct text {
	const struct vm_vmdk_text *of;
	unsigned extents, types, parents, ids;
};

static int
bad(struct vm_error *err, const char *what, const char *line)
{
	return vm_error_set(err, VM_E_DATA, "bad_descriptor",
	    "VMDK: the descriptor has %s: %.80s", what, line);
}

/* The value of a line "KEY = VALUE", without quotes; NULL: another key. */
static char *
get_value(char *line, const char *key)
{
	size_t len = strlen(key);
	char *value = line + len, *end;

	if (strncasecmp(line, key, len) != 0)
		return NULL;
	value += strspn(value, " \t");
	if (*value != '=')
		return NULL;
	value++;
	value += strspn(value, " \t\"");
	end = value + strcspn(value, "\"");
	while (end > value && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return value;
}

/* RW 2048 SPARSE "disk.vmdk"; the access may also be RDONLY. */
static int
check_extent(struct text *t, const char *line, struct vm_error *err)
{
	unsigned long long sectors;
	char type[16], name[2];
	int n;

	n = sscanf(line, "%*6[RWDONLY] %16llu %15[A-Z0-9] \"%1[^\"]", &sectors,
	    type, name);
	if (n != 3)
		return bad(err, "no proper extent", line);
	if (strcmp(type, "SPARSE") != 0)
		return vm_error_set(err, VM_E_DATA, "data_file",
		    "VMDK: an extent of type %s, which is not in this file",
		    type);
	if (t->extents++ > 0)
		return vm_error_set(err, VM_E_DATA, "data_file",
		    "VMDK: more than one extent");
	if (sectors > t->of->sectors ||
	    t->of->sectors - sectors >= t->of->slack)
		return bad(err, "an extent of another size than the disk",
		    line);
	return 0;
}

static int
check_key(struct text *t, char *line, struct vm_error *err)
{
	const char *value;

	if (get_value(line, "CID") != NULL)
		t->ids++;
	value = get_value(line, "createType");
	if (value != NULL) {
		t->types++;
		if (strcmp(value, t->of->type) != 0)
			return vm_error_set(err, VM_E_DATA, "feature",
			    "VMDK: of type %.40s, the header says %s", value,
			    t->of->type);
	}
	value = get_value(line, "parentCID");
	if (value == NULL)
		return 0;
	t->parents++;
	if (strcasecmp(value, "ffffffff") != 0)
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "VMDK: it needs a parent disk, which is never opened");
	return 0;
}

static int
check_line(struct text *t, char *line, struct vm_error *err)
{
	static const char *const accesses[] = { "RW ", "RDONLY ", "NOACCESS " };

	line += strspn(line, " \t\r");
	if (*line == '\0' || *line == '#')
		return 0;
	if (strcspn(line, "/\\") != strlen(line))
		return vm_error_set(err, VM_E_DATA, "data_file",
		    "VMDK: the descriptor names a path: %.80s", line);
	for (size_t i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++)
		if (strncmp(line, accesses[i], strlen(accesses[i])) == 0)
			return check_extent(t, line, err);
	if (strchr(line, '=') == NULL)
		return bad(err, "a line that is neither key nor extent", line);
	return check_key(t, line, err);
}

static int
check_whole(const struct text *t, struct vm_error *err)
{
	if (t->extents == 1 && t->types == 1 && t->parents == 1 && t->ids == 1)
		return 0;
	return vm_error_set(err, VM_E_DATA, "bad_descriptor",
	    "VMDK: the descriptor lacks an extent, createType, CID or "
	    "parentCID, or has one twice");
}

int
vm_vmdk_text_check(const struct vm_vmdk_text *text, struct vm_error *err)
{
	static const char hint[] = "parentFileNameHint";
	struct text t = { .of = text };
	char *copy VM_CLEAN_FREE = NULL;
	char *rest, *line;

	if (memmem(text->text, text->seen, hint, sizeof(hint) - 1) != NULL)
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "VMDK: it names a parent disk, which is never opened");
	rest = copy = strndup(text->text, text->len);
	if (copy == NULL)
		return vm_error_nomem(err);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (check_line(&t, line, err) == -1)
			return -1;
	return check_whole(&t, err);
}
