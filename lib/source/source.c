#include "lib/source/source.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/adapt/curl_http.h"
#include "lib/base/buf.h"
#include "lib/source/oci_ref.h"
#include "lib/source/s3.h"
#include "lib/source/ssh.h"
#include "lib/record/input.h"

#define NAME_MAX_LEN 56 /* leaves room for "-XXXXXX" */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The path of a file: URL (RFC 8089): no host, %XX decoded, no NUL. */
static char *
decode_file_url(const char *url, struct vm_error *err)
{
	const char *from = url + strlen("file:");
	char *path, *to;

	if (strncmp(from, "//localhost/", 12) == 0)
		from += 11;
	else if (strncmp(from, "///", 3) == 0)
		from += 2;
	to = path = strdup(from);
	if (path == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	for (; *from != '\0'; from++) {
		int high, low;

		*to++ = *from;
		if (*from != '%')
			continue;
		high = hex_value(from[1]);
		low = high < 0 ? -1 : hex_value(from[2]);
		if (low < 0 || high + low == 0)
			break;
		to[-1] = (char)(high << 4 | low);
		from += 2;
	}
	*to = '\0';
	if (*from == '\0' && path[0] == '/' && path[1] != '/')
		return path;
	free(path);
	vm_error_set(err, VM_E_USAGE, "bad_url",
	    "%s: not file:/PATH or file:///PATH", url);
	return NULL;
}

/* Absolute, the directories on the way resolved, the file's name kept. */
static char *
make_absolute(const char *path, const char *directory, struct vm_error *err)
{
	char *joined VM_CLEAN_FREE = path[0] == '/' || directory == NULL ?
	    vm_buf_printf(err, "%s", path) :
	    vm_buf_printf(err, "%s/%s", directory, path);
	char *resolved VM_CLEAN_FREE = NULL;
	char *slash;

	if (joined == NULL)
		return NULL;
	slash = strrchr(joined, '/');
	if (slash == NULL || slash == joined) {
		resolved = realpath(slash == NULL ? "." : "/", NULL);
	} else {
		*slash = '\0';
		resolved = realpath(joined, NULL);
	}
	if (resolved == NULL) {
		vm_error_errno(err, errno, "%s", path);
		return NULL;
	}
	return vm_buf_printf(err, "%s/%s",
	    strcmp(resolved, "/") == 0 ? "" : resolved,
	    slash == NULL ? joined : slash + 1);
}

static int
set_file(struct vm_source *source, const char *path, const char *directory,
    struct vm_error *err)
{
	source->kind = VM_SOURCE_FILE;
	source->location = make_absolute(path, directory, err);
	source->shown = source->location == NULL ?
	    NULL :
	    vm_buf_printf(err, "%s", source->location);
	return source->shown == NULL ? -1 : 0;
}

static int
set_text(struct vm_source *source, enum vm_source_kind kind, const char *text,
    const char *shown, struct vm_error *err)
{
	source->kind = kind;
	source->location = vm_buf_printf(err, "%s", text);
	source->shown = vm_buf_printf(err, "%s", shown);
	return source->location == NULL || source->shown == NULL ? -1 : 0;
}

static int
set_url(struct vm_source *source, const char *url, struct vm_error *err)
{
	char *shown VM_CLEAN_FREE = NULL;

	if (vm_ssh_is_url(url))
		return vm_ssh_check(url, err) == -1 ?
		    -1 :
		    set_text(source, VM_SOURCE_SSH, url, url, err);
	if (vm_s3_is_url(url))
		return vm_s3_check(url, err) == -1 ?
		    -1 :
		    set_text(source, VM_SOURCE_S3, url, url, err);
	if (vm_oci_is_url(url))
		return vm_oci_check(url, err) == -1 ?
		    -1 :
		    set_text(source, VM_SOURCE_OCI, url, url, err);
	shown = vm_http_clean_url(url, err);
	if (shown == NULL)
		return -1;
	return set_text(source, VM_SOURCE_HTTP, url, shown, err);
}

static int
set_location(struct vm_source *source, const char *text, const char *directory,
    struct vm_error *err)
{
	char *path VM_CLEAN_FREE = NULL;

	if (strcmp(text, "-") == 0)
		return set_text(source, VM_SOURCE_STDIN, "-", "stdin", err);
	if (strncmp(text, "file:", 5) == 0) {
		path = decode_file_url(text, err);
		return path == NULL ? -1 : set_file(source, path, NULL, err);
	}
	switch (vm_input_classify(text)) {
	case VM_OPERAND_URL:
		return set_url(source, text, err);
	case VM_OPERAND_PATH:
		return set_file(source, text, directory, err);
	default:
		return set_text(source, VM_SOURCE_STORE, text, text, err);
	}
}

/* --- names --------------------------------------------------------------- */

static const char *const packings[] = { ".xz", ".gz", ".zst", ".bz2", ".lz4",
	NULL };
static const char *const containers[] = { ".tar", ".tgz", ".ova", ".ovf",
	NULL };
static const char *const formats[] = { ".qcow2", ".raw", ".vmdk", ".vhd",
	".vhdx", ".vdi", ".vpc", ".img", NULL };

/* Which of these it ends in, without the dot, or NULL. */
static const char *
find_ending(const char *name, const char *const *endings)
{
	size_t len = strlen(name);

	for (; *endings != NULL; endings++) {
		size_t end = strlen(*endings);

		if (len > end && strcasecmp(name + len - end, *endings) == 0)
			return *endings + 1;
	}
	return NULL;
}

/* The same, and cut it off. */
static const char *
cut_ending(char *name, const char *const *endings)
{
	const char *ending = find_ending(name, endings);

	if (ending != NULL)
		name[strlen(name) - strlen(ending) - 1] = '\0';
	return ending;
}

/* What an ending of `formats` promises, or NULL. */
static const char *
format_of(const char *ending)
{
	if (ending == NULL || strcmp(ending, "img") == 0)
		return NULL;
	return strcmp(ending, "vpc") == 0 ? "vhd" : ending;
}

/* The file's name without its endings; *format is what they promise. */
static char *
split_name(const struct vm_source *source, const char **format,
    struct vm_error *err)
{
	const char *shown = source->shown, *begin, *ending;
	size_t len = source->kind == VM_SOURCE_HTTP ? strcspn(shown, "?") :
						      strlen(shown);
	char *name;

	if (source->kind == VM_SOURCE_OCI) /* no digest, and no tag "latest" */
		len = vm_oci_name_length(shown);
	for (begin = shown + len; begin > shown && begin[-1] != '/'; begin--)
		continue;
	name = vm_buf_printf(err, "%.*s", (int)(shown + len - begin), begin);
	if (name == NULL)
		return NULL;
	cut_ending(name, packings);
	ending = cut_ending(name, containers);
	if (ending != NULL)
		*format = strcmp(ending, "ovf") == 0 ? ending : "tar";
	else
		*format = format_of(cut_ending(name, formats));
	return name;
}

const char *
vm_source_format(const char *name)
{
	return format_of(find_ending(name, formats));
}

char *
vm_source_name(const struct vm_source *source, struct vm_error *err)
{
	const char *format;
	char *name VM_CLEAN_FREE = split_name(source, &format, err);
	char *begin;

	if (name == NULL)
		return NULL;
	for (char *c = name; *c != '\0'; c++) {
		*c = (char)tolower((unsigned char)*c);
		if (!isalnum((unsigned char)*c) && *c != '.' && *c != '_')
			*c = '-';
	}
	for (begin = name; *begin != '\0' && !isalnum((unsigned char)*begin);
	     begin++)
		continue;
	if (strlen(begin) > NAME_MAX_LEN)
		begin[NAME_MAX_LEN] = '\0';
	return vm_buf_printf(err, "%s", *begin == '\0' ? "image" : begin);
}

/* --- the rest ------------------------------------------------------------ */

int
vm_source_parse(const char *text, const char *directory,
    struct vm_source *source, struct vm_error *err)
{
	struct vm_source made VM_CLEAN_SOURCE = { 0 };
	char *name VM_CLEAN_FREE = NULL;

	if (set_location(&made, text, directory, err) == -1)
		return -1;
	if (made.kind != VM_SOURCE_STDIN && made.kind != VM_SOURCE_STORE &&
	    made.kind != VM_SOURCE_OCI) {
		name = split_name(&made, &made.format, err);
		if (name == NULL)
			return -1;
	}
	*source = made;
	made = (struct vm_source){ 0 };
	return 0;
}

int
vm_source_add_mirror(struct vm_source *source, const char *url,
    struct vm_error *err)
{
	struct vm_source_mirror *mirror =
	    &source->mirrors[source->mirror_count];

	if (source->kind == VM_SOURCE_FILE || source->kind == VM_SOURCE_STDIN)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "%s: only a URL has mirrors", source->shown);
	if (source->mirror_count == VM_SOURCE_MIRRORS)
		return vm_error_set(err, VM_E_USAGE, "too_many",
		    "more than %d mirrors", VM_SOURCE_MIRRORS);
	mirror->shown = vm_http_clean_url(url, err);
	if (mirror->shown == NULL)
		return -1;
	source->mirror_count++;
	mirror->location = vm_buf_printf(err, "%s", url);
	return mirror->location == NULL ? -1 : 0;
}

static int
add_mirrors(struct vm_source *source, const struct vm_json *urls,
    struct vm_error *err)
{
	for (size_t i = 0; i < vm_json_count(urls); i++) {
		const char *url = vm_json_text(vm_json_at(urls, i));

		if (vm_source_add_mirror(source, url == NULL ? "" : url, err) ==
		    -1)
			return -1;
	}
	return 0;
}

int
vm_source_parse_role(const struct vm_json *role, const char *directory,
    struct vm_source *source, struct vm_error *err)
{
	const char *text = vm_json_string(role, "image.source", NULL);
	const char *checksum = vm_json_string(role, "image.checksum", NULL);
	const char *pull = vm_json_string(role, "image.pull", "missing");
	struct vm_source made VM_CLEAN_SOURCE = { 0 };

	if (text == NULL || text[0] == '\0' || strcmp(text, "-") == 0)
		return vm_error_set(err, VM_E_DATA, "bad_spec",
		    "the role has no image.source");
	if (vm_source_parse(text, directory, &made, err) == -1 ||
	    (checksum != NULL && vm_source_pin(&made, checksum, err) == -1) ||
	    vm_source_set_trust(&made, directory,
		vm_json_string(role, "image.checksums", NULL),
		vm_json_string(role, "image.signature", NULL),
		vm_json_string(role, "image.keyring", NULL), err) == -1 ||
	    add_mirrors(&made, vm_json_get(role, "image.mirrors"), err) == -1)
		return -1;
	made.pull = strcmp(pull, "always") == 0 ? VM_PULL_ALWAYS :
	    strcmp(pull, "never") == 0		? VM_PULL_NEVER :
						  VM_PULL_MISSING;
	*source = made;
	made = (struct vm_source){ 0 };
	return 0;
}

/* What is there, if it is a URL; one that cannot be parsed goes as a whole. */
static int
hide(struct vm_json *role, const char *path, struct vm_error *err)
{
	const char *url = vm_json_string(role, path, "");
	struct vm_source source VM_CLEAN_SOURCE = { 0 };

	if (strstr(url, "://") == NULL || strchr(url, '@') == NULL)
		return 0;
	if (vm_source_parse(url, NULL, &source, NULL) == -1)
		return vm_json_set_string(role, path, "", err);
	return vm_source_is_remote(&source) ?
	    vm_json_set_string(role, path, source.shown, err) :
	    0;
}

int
vm_source_hide_role(struct vm_json *role, struct vm_error *err)
{
	size_t mirrors = vm_json_count(vm_json_get(role, "image.mirrors"));
	char path[48];

	for (size_t i = 0; i < mirrors; i++) {
		snprintf(path, sizeof(path), "image.mirrors.%zu", i);
		if (hide(role, path, err) == -1)
			return -1;
	}
	if (hide(role, "image.source", err) == -1 ||
	    hide(role, "image.checksums", err) == -1)
		return -1;
	return hide(role, "image.signature", err);
}

int
vm_source_pin(struct vm_source *source, const char *checksum,
    struct vm_error *err)
{
	bool is_512 = strncmp(checksum, "sha512:", 7) == 0;
	size_t want = is_512 ? 128 : 64;
	const char *hex = checksum + 7;

	if ((!is_512 && strncmp(checksum, "sha256:", 7) != 0) ||
	    strlen(hex) != want || strspn(hex, "0123456789abcdef") != want)
		return vm_error_set(err, VM_E_USAGE, "bad_digest",
		    "checksum %.140s: not sha256: and 64, or sha512: and 128 "
		    "lower-case hex digits",
		    checksum);
	source->digest_type = is_512 ? VM_HASH_SHA512 : VM_HASH_SHA256;
	memcpy(source->digest, hex, want + 1);
	return 0;
}

/* A URL or "auto" as it is; a path from the directory, absolute. */
static int
set_place(char **place, const char *directory, const char *text,
    struct vm_error *err)
{
	bool relative;

	if (text == NULL)
		return 0;
	relative = text[0] != '/' && strstr(text, "://") == NULL &&
	    strncmp(text, "file:", 5) != 0 && strcmp(text, "auto") != 0;
	free(*place);
	*place = relative ? make_absolute(text, directory, err) :
			    vm_buf_printf(err, "%s", text);
	return *place == NULL ? -1 : 0;
}

int
vm_source_set_trust(struct vm_source *source, const char *directory,
    const char *checksums, const char *signature, const char *keyring,
    struct vm_error *err)
{
	if (set_place(&source->checksums, directory, checksums, err) == -1 ||
	    set_place(&source->signature, directory, signature, err) == -1)
		return -1;
	return set_place(&source->keyring, directory, keyring, err);
}

bool
vm_source_is_remote(const struct vm_source *source)
{
	return source->kind == VM_SOURCE_HTTP ||
	    source->kind == VM_SOURCE_SSH || source->kind == VM_SOURCE_S3 ||
	    source->kind == VM_SOURCE_OCI;
}

bool
vm_source_is_plain(const struct vm_source *source)
{
	return source->plain ||
	    (source->kind == VM_SOURCE_HTTP &&
		(strncmp(source->shown, "http://", 7) == 0 ||
		    strncmp(source->shown, "ftp://", 6) == 0));
}

void
vm_source_release(struct vm_source *source)
{
	free(source->location);
	free(source->shown);
	free(source->checksums);
	free(source->signature);
	free(source->keyring);
	for (size_t i = 0; i < source->mirror_count; i++) {
		free(source->mirrors[i].location);
		free(source->mirrors[i].shown);
	}
	*source = (struct vm_source){ 0 };
}
