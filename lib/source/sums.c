#include "lib/source/sums.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/base/log.h"

#define SIGNED_BEGIN "-----BEGIN PGP SIGNED MESSAGE-----"
#define SIGNED_END "-----BEGIN PGP SIGNATURE-----"

struct line {
	const char *text; /* not terminated */
	size_t len;
};

/* What has been found so far. */
struct search {
	const char *name;
	char found[2][VM_HASH_MAX_HEX]; /* by enum vm_hash_type; "" none */
	bool differs;			/* two of one kind */
	char bare[VM_HASH_MAX_HEX];	/* a digest without a name */
	size_t digests;			/* lines that hold one */
	size_t weak;			/* of our file, too weak to use */
};

/* --- lines --------------------------------------------------------------- */

/* Cut the next line off, without its end; false: there is none. */
static bool
next_line(struct line *rest, struct line *line)
{
	const char *end;

	if (rest->len == 0)
		return false;
	end = memchr(rest->text, '\n', rest->len);
	*line = *rest;
	line->len = end == NULL ? rest->len : (size_t)(end - rest->text);
	rest->text += line->len + (end != NULL);
	rest->len -= line->len + (end != NULL);
	while (line->len > 0 &&
	    isspace((unsigned char)line->text[line->len - 1]))
		line->len--;
	return true;
}

static bool
is_text(const struct line *line, const char *text)
{
	return line->len == strlen(text) &&
	    memcmp(line->text, text, line->len) == 0;
}

static void
skip(struct line *line, size_t n)
{
	line->text += n;
	line->len -= n;
}

static size_t
count_hex(const struct line *line)
{
	size_t n = 0;

	while (n < line->len && isxdigit((unsigned char)line->text[n]))
		n++;
	return n;
}

/* --- digests ------------------------------------------------------------- */

/* By its length: 0 SHA-256, 1 SHA-512, -1 no digest that we can use. */
static int
type_of(size_t digits)
{
	return digits == 64 ? VM_HASH_SHA256 :
	    digits == 128   ? VM_HASH_SHA512 :
			      -1;
}

/* MD5, SHA-1, SHA-224, SHA-384: known, not used. */
static bool
is_other_digest(size_t digits)
{
	return digits == 32 || digits == 40 || digits == 56 || digits == 96;
}

static void
copy_hex(const char *from, size_t len, char *to)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (char)tolower((unsigned char)from[i]);
	to[len] = '\0';
}

static void
note(struct search *search, const char *hex, size_t len)
{
	char lower[VM_HASH_MAX_HEX];
	int type = type_of(len);

	if (type == -1) {
		search->weak++;
		return;
	}
	copy_hex(hex, len, lower);
	if (search->found[type][0] != '\0' &&
	    strcmp(search->found[type], lower) != 0)
		search->differs = true;
	memcpy(search->found[type], lower, len + 1);
}

/* Is this name, escaped as by sha256sum(1) if so, the one we look for? */
static bool
is_name(struct line name, bool escaped, const char *wanted)
{
	if (name.len >= 2 && memcmp(name.text, "./", 2) == 0)
		skip(&name, 2);
	while (name.len > 0 && *wanted != '\0') {
		char c = name.text[0];

		if (escaped && c == '\\' && name.len > 1) {
			skip(&name, 1);
			c = name.text[0] == 'n' ? '\n' :
			    name.text[0] == 'r' ? '\r' :
						  name.text[0];
		}
		if (c != *wanted++)
			return false;
		skip(&name, 1);
	}
	return name.len == 0 && *wanted == '\0';
}

/* "HEX  name", "HEX *name" or "HEX". */
static bool
read_gnu(struct search *search, struct line line)
{
	bool escaped = line.len > 0 && line.text[0] == '\\';
	const char *hex = line.text + escaped;
	size_t digits;

	if (escaped)
		skip(&line, 1);
	digits = count_hex(&line);
	if (type_of(digits) == -1 && !is_other_digest(digits))
		return false;
	skip(&line, digits);
	if (line.len == 0) {
		if (type_of(digits) != -1)
			copy_hex(hex, digits, search->bare);
		return true;
	}
	if (line.len < 2 || line.text[0] != ' ' ||
	    (line.text[1] != ' ' && line.text[1] != '*'))
		return false;
	skip(&line, 2);
	if (is_name(line, escaped, search->name))
		note(search, hex, digits);
	return true;
}

/* "SHA256 (name) = HEX"; the name may hold parentheses. */
static bool
read_bsd(struct search *search, struct line line)
{
	static const struct {
		const char *name;
		size_t digits;
	} kinds[] = { { "SHA256 (", 64 }, { "SHA512 (", 128 },
		{ "SHA2-256 (", 64 }, { "SHA2-512 (", 128 }, { "MD5 (", 32 },
		{ "SHA1 (", 40 }, { "SHA224 (", 56 }, { "SHA384 (", 96 } };
	struct line name, hex;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t head = strlen(kinds[i].name), digits = kinds[i].digits;

		if (line.len < head + 4 + digits ||
		    strncasecmp(line.text, kinds[i].name, head) != 0)
			continue;
		hex.text = line.text + line.len - digits;
		hex.len = digits;
		if (count_hex(&hex) != digits ||
		    memcmp(hex.text - 4, ") = ", 4) != 0)
			return false;
		name.text = line.text + head;
		name.len = (size_t)(hex.text - 4 - name.text);
		if (is_name(name, false, search->name))
			note(search, hex.text, digits);
		return true;
	}
	return false;
}

/* --- the whole ----------------------------------------------------------- */

/* Pass over what stands before a clearsigned text, its headers included. */
static bool
enter_signed(struct line *text)
{
	struct line rest = *text, line;

	while (next_line(&rest, &line)) {
		if (!is_text(&line, SIGNED_BEGIN))
			continue;
		while (next_line(&rest, &line) && line.len > 0)
			continue;
		*text = rest;
		return true;
	}
	return false;
}

static int
read_lines(struct search *search, struct line text, struct vm_error *err)
{
	bool is_signed = enter_signed(&text), ended = false;
	struct line line;

	while (!ended && next_line(&text, &line)) {
		ended = is_signed && is_text(&line, SIGNED_END);
		if (ended || line.len == 0 || line.text[0] == '#')
			continue;
		if (is_signed && line.len >= 2 &&
		    memcmp(line.text, "- ", 2) == 0)
			skip(&line, 2);
		if (read_gnu(search, line) || read_bsd(search, line))
			search->digests++;
	}
	if (is_signed && !ended)
		return vm_error_set(err, VM_E_DATA, "bad_checksums",
		    "the signed text does not end");
	return 0;
}

static int
choose(const struct search *search, struct vm_sums *sums, struct vm_error *err)
{
	const char *sha256 = search->found[VM_HASH_SHA256];
	const char *sha512 = search->found[VM_HASH_SHA512];
	const char *hex = sha256[0] != '\0' ? sha256 : sha512;
	char safe[256];

	vm_log_escape(search->name, safe, sizeof(safe));
	if (search->differs)
		return vm_error_set(err, VM_E_DATA, "bad_checksums",
		    "two different digests of %s", safe);
	if (hex[0] == '\0' && search->digests == 1)
		hex = search->bare;
	if (hex[0] == '\0' && search->weak > 0)
		return vm_error_set(err, VM_E_DATA, "not_in_checksums",
		    "of %s only digests that are neither SHA-256 nor SHA-512",
		    safe);
	if (hex[0] == '\0') {
		vm_error_set(err, VM_E_DATA, "not_in_checksums",
		    "no digest of %s among the %zu in it", safe,
		    search->digests);
		return vm_error_hint(err,
		    "vmfetch --checksums URL, of a file that names it");
	}
	sums->is_bare = hex == search->bare;
	sums->type = strlen(hex) == 64 ? VM_HASH_SHA256 : VM_HASH_SHA512;
	memcpy(sums->hex, hex, strlen(hex) + 1);
	return 0;
}

int
vm_sums_find(const char *text, size_t len, const char *name,
    struct vm_sums *sums, struct vm_error *err)
{
	struct search search = { .name = name };

	if (len > 0 && memchr(text, '\0', len) != NULL)
		return vm_error_set(err, VM_E_DATA, "bad_checksums",
		    "not a text: it holds NUL bytes");
	if (read_lines(&search, (struct line){ text, len }, err) == -1)
		return -1;
	return choose(&search, sums, err);
}
