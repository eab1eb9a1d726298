#include "lib/image/ovf_checks.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"

#define SHOWN 128

static const struct {
	const char *name;
	enum vm_hash_type type;
	size_t digits;
} kinds[] = {
	{ "SHA256", VM_HASH_SHA256, 64 },
	{ "SHA512", VM_HASH_SHA512, 128 },
	{ "SHA1", VM_HASH_SHA1, 40 },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char *
kind_name(enum vm_hash_type type)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].type == type)
			return kinds[i].name;
	return "";
}

/* --- the .mf ------------------------------------------------------------- */

static bool
read_kind(const char *word, size_t len, enum vm_hash_type *type, size_t *digits)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (strlen(kinds[i].name) != len ||
		    strncmp(word, kinds[i].name, len) != 0)
			continue;
		*type = kinds[i].type;
		*digits = kinds[i].digits;
		return true;
	}
	return false;
}

/* Lower-case hex of just so many digits and nothing behind it. */
static bool
read_hex(const char *text, size_t digits, char *hex)
{
	if (strlen(text) != digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return false;
		hex[i] = (char)tolower((unsigned char)text[i]);
	}
	hex[digits] = '\0';
	return true;
}

/* "KIND (name) = hex", blanks where they like; the name is ended in place. */
static bool
read_line(char *line, struct vm_ovf_expected *made)
{
	char *open = strchr(line, '('), *close = strrchr(line, ')'), *name;
	size_t len, digits;

	if (open == NULL || close == NULL || close < open)
		return false;
	for (len = (size_t)(open - line); len > 0 && line[len - 1] == ' ';)
		len--;
	name = open + 1;
	*close++ = '\0';
	while (*close == ' ')
		close++;
	if (*close++ != '=' || !read_kind(line, len, &made->type, &digits))
		return false;
	while (*close == ' ')
		close++;
	if (strncmp(name, "./", 2) == 0)
		name += 2;
	made->name = name;
	return name[0] != '\0' && read_hex(close, digits, made->hex);
}

static struct vm_ovf_expected *
find(const struct vm_ovf_checks *checks, const char *name)
{
	for (size_t i = 0; i < checks->expected_count; i++)
		if (strcmp(checks->expected[i].name, name) == 0)
			return &checks->expected[i];
	return NULL;
}

/* A new element at the end of a list. */
static void *
append(void *list, size_t *count, size_t size, struct vm_error *err)
{
	char *grown = realloc(*(void **)list, (*count + 1) * size);

	if (grown == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	*(void **)list = grown;
	return memset(grown + (*count)++ * size, 0, size);
}

static int
add_line(struct vm_ovf_checks *checks, char *line, size_t number,
    struct vm_error *err)
{
	struct vm_ovf_expected made = { 0 }, *kept;

	line[strcspn(line, "\r")] = '\0';
	if (line[0] == '\0')
		return 0;
	if (!read_line(line, &made))
		return vm_error_set(err, VM_E_DATA, "bad_digests",
		    "line %zu: not a digest as in SHA256(file)= hex", number);
	if (find(checks, made.name) != NULL)
		return vm_error_set(err, VM_E_DATA, "bad_digests",
		    "line %zu: a second digest of the same file", number);
	kept = append(&checks->expected, &checks->expected_count, sizeof(*kept),
	    err);
	if (kept == NULL)
		return -1;
	*kept = made;
	kept->name = vm_buf_printf(err, "%s", made.name);
	return kept->name == NULL ? -1 : 0;
}

/* --- files --------------------------------------------------------------- */

static int
compare(struct vm_ovf_checks *checks, const struct vm_ovf_seen *seen,
    struct vm_error *err)
{
	struct vm_ovf_expected *expected = find(checks, seen->name);
	char shown[SHOWN];

	if (expected == NULL)
		return 0;
	expected->seen = true;
	if (strcmp(expected->hex, seen->hex[expected->type]) == 0)
		return 0;
	return vm_error_set(err, VM_E_DATA, "digest_mismatch",
	    "file %s: its %s is %s, but the .mf file says %s",
	    vm_log_escape(seen->name, shown, sizeof(shown)),
	    kind_name(expected->type), seen->hex[expected->type],
	    expected->hex);
}

int
vm_ovf_checks_expect(struct vm_ovf_checks *checks, const char *text, size_t len,
    struct vm_error *err)
{
	struct vm_buf copy VM_CLEAN_BUF = { 0 };
	size_t number = 0;
	char *line, *next;

	if (checks->known || memchr(text, '\0', len) != NULL)
		return vm_error_set(err, VM_E_DATA, "bad_digests",
		    checks->known ? "a second .mf file" :
				    "NUL bytes in the .mf file");
	checks->known = true;
	if (vm_buf_add(&copy, text, len, err) == -1)
		return -1;
	for (line = copy.data; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (add_line(checks, line, ++number, err) == -1)
			return -1;
	}
	for (size_t i = 0; i < checks->seen_count; i++)
		if (compare(checks, &checks->seen[i], err) == -1)
			return -1;
	return 0;
}

static void
drop_hashes(struct vm_ovf_checks *checks)
{
	for (size_t i = 0; i < VM_OVF_CHECKS_TYPES; i++)
		vm_hash_free(VM_TAKE(checks->hashes[i]));
}

int
vm_ovf_checks_begin(struct vm_ovf_checks *checks, const char *name,
    struct vm_error *err)
{
	const struct vm_ovf_expected *expected = find(checks, name);
	struct vm_ovf_seen *seen;

	drop_hashes(checks);
	seen = append(&checks->seen, &checks->seen_count, sizeof(*seen), err);
	if (seen == NULL)
		return -1;
	seen->name = vm_buf_printf(err, "%s", name);
	if (seen->name == NULL)
		return -1;
	for (size_t i = 0; i < KINDS; i++) {
		enum vm_hash_type type = kinds[i].type;

		if (checks->known &&
		    (expected == NULL || expected->type != type))
			continue;
		checks->hashes[type] = vm_hash_new(type, err);
		if (checks->hashes[type] == NULL)
			return -1;
	}
	return 0;
}

int
vm_ovf_checks_add(struct vm_ovf_checks *checks, const void *data, size_t len,
    struct vm_error *err)
{
	for (size_t i = 0; i < VM_OVF_CHECKS_TYPES; i++)
		if (checks->hashes[i] != NULL &&
		    vm_hash_add(checks->hashes[i], data, len, err) == -1)
			return -1;
	return 0;
}

int
vm_ovf_checks_end(struct vm_ovf_checks *checks, struct vm_error *err)
{
	struct vm_ovf_seen *seen = &checks->seen[checks->seen_count - 1];

	for (size_t i = 0; i < VM_OVF_CHECKS_TYPES; i++)
		if (checks->hashes[i] != NULL &&
		    vm_hash_finish(checks->hashes[i], seen->hex[i], err) == -1)
			return -1;
	drop_hashes(checks);
	return compare(checks, seen, err);
}

int
vm_ovf_checks_finish(const struct vm_ovf_checks *checks, struct vm_error *err)
{
	char shown[SHOWN];

	for (size_t i = 0; i < checks->expected_count; i++)
		if (!checks->expected[i].seen)
			return vm_error_set(err, VM_E_DATA, "file_missing",
			    "file %s: named in the .mf file, but not there",
			    vm_log_escape(checks->expected[i].name, shown,
				sizeof(shown)));
	return 0;
}

void
vm_ovf_checks_release(struct vm_ovf_checks *checks)
{
	drop_hashes(checks);
	for (size_t i = 0; i < checks->expected_count; i++)
		free(checks->expected[i].name);
	for (size_t i = 0; i < checks->seen_count; i++)
		free(checks->seen[i].name);
	free(checks->expected);
	free(checks->seen);
	*checks = (struct vm_ovf_checks){ 0 };
}
