#include "lib/guest/accounts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 32
#define FIRST_ID 1000 /* UID_MIN and UID_MAX of login.defs(5) */
#define LAST_ID 59999
#define ID_FIELD 2

int
vm_accounts_check_name(const char *name, struct vm_error *err)
{
	size_t len = strlen(name);
	size_t body = len > 0 && name[len - 1] == '$' ? len - 1 : len;
	size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

	if (len > 0 && len <= NAME_MAX_LEN && good >= body &&
	    (islower((unsigned char)name[0]) || name[0] == '_'))
		return 0;
	return vm_error_set(err, VM_E_DATA, "bad_user",
	    "\"%.64s\": not a user's or group's name", name);
}

/* The line that begins with "name:", and its length without the newline. */
static char *
find_line(const struct vm_buf *text, const char *name, size_t *line_len)
{
	size_t len = strlen(name);
	char *p = text->data;

	while (p != NULL && *p != '\0') {
		char *end = strchrnul(p, '\n');

		if ((size_t)(end - p) > len && strncmp(p, name, len) == 0 &&
		    p[len] == ':') {
			*line_len = (size_t)(end - p);
			return p;
		}
		p = *end == '\0' ? end : end + 1;
	}
	return NULL;
}

/* Field `field` of a line of len bytes: its start, and its length. */
static char *
find_field(char *line, size_t len, unsigned field, size_t *field_len)
{
	char *p = line, *end = line + len;

	for (; field > 0; field--) {
		p = memchr(p, ':', (size_t)(end - p));
		if (p == NULL)
			return NULL;
		p++;
	}
	char *colon = memchr(p, ':', (size_t)(end - p));
	*field_len = (size_t)((colon == NULL ? end : colon) - p);
	return p;
}

bool
vm_accounts_has(const struct vm_buf *text, const char *name)
{
	size_t len;

	return find_line(text, name, &len) != NULL;
}

bool
vm_accounts_get(const struct vm_buf *text, const char *name, unsigned field,
    char out[VM_ACCOUNT_FIELD_MAX])
{
	size_t line_len, len;
	char *line = find_line(text, name, &line_len);
	char *at = line == NULL ? NULL :
				  find_field(line, line_len, field, &len);

	if (at == NULL || len >= VM_ACCOUNT_FIELD_MAX)
		return false;
	memcpy(out, at, len);
	out[len] = '\0';
	return true;
}

int
vm_accounts_set(struct vm_buf *text, const char *name, unsigned field,
    const char *value, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf next = { 0 };
	size_t line_len, len;
	char *line = find_line(text, name, &line_len);
	char *at = line == NULL ? NULL :
				  find_field(line, line_len, field, &len);

	if (at == NULL)
		return vm_error_set(err, VM_E_DATA, "no_user",
		    "%s: no such user or group in the guest", name);
	if (vm_buf_add(&next, text->data, (size_t)(at - text->data), err) ==
		-1 ||
	    vm_buf_add_string(&next, value, err) == -1 ||
	    vm_buf_add_string(&next, at + len, err) == -1)
		return -1;
	struct vm_buf old = *text;
	*text = next;
	next = old;
	return 0;
}

int
vm_accounts_add(struct vm_buf *text, const char *line, struct vm_error *err)
{
	if (text->len > 0 && text->data[text->len - 1] != '\n' &&
	    vm_buf_add(text, "\n", 1, err) == -1)
		return -1;
	return vm_buf_format(text, err, "%s\n", line);
}

/* Is member one of the comma-separated names? */
static bool
is_member(const char *list, const char *member)
{
	size_t len = strlen(member);

	for (const char *p = list; p != NULL;
	     p = strchr(p, ','), p = p == NULL ? NULL : p + 1)
		if (strncmp(p, member, len) == 0 &&
		    (p[len] == ',' || p[len] == '\0'))
			return true;
	return false;
}

int
vm_accounts_join(struct vm_buf *text, const char *group, unsigned field,
    const char *member, struct vm_error *err)
{
	char list[VM_ACCOUNT_FIELD_MAX];

	if (!vm_accounts_get(text, group, field, list))
		return vm_error_set(err, VM_E_DATA, "no_group",
		    "%s: no such group in the guest", group);
	if (is_member(list, member))
		return 0;
	VM_CLEAN_FREE char *longer = vm_buf_printf(err, "%s%s%s", list,
	    list[0] == '\0' ? "" : ",", member);
	if (longer == NULL)
		return -1;
	return vm_accounts_set(text, group, field, longer, err);
}

/* Does any line have this number? */
static bool
has_id(const struct vm_buf *text, uint32_t id)
{
	char number[16];
	size_t digits = (size_t)snprintf(number, sizeof number, "%u", id);
	char *p = text->data;

	while (p != NULL && *p != '\0') {
		char *end = strchrnul(p, '\n');
		size_t len;
		char *at = find_field(p, (size_t)(end - p), ID_FIELD, &len);

		if (at != NULL && len == digits && memcmp(at, number, len) == 0)
			return true;
		p = *end == '\0' ? end : end + 1;
	}
	return false;
}

int
vm_accounts_free_id(const struct vm_buf *passwd, const struct vm_buf *group,
    uint32_t *id, struct vm_error *err)
{
	for (uint32_t n = FIRST_ID; n <= LAST_ID; n++)
		if (!has_id(passwd, n) && !has_id(group, n)) {
			*id = n;
			return 0;
		}
	return vm_error_set(err, VM_E_DATA, "no_id",
	    "no number left in the guest for a new user");
}
