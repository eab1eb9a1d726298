#include "lib/image/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/image/present.h"
#include "lib/store/image.h"
#include "lib/store/lock.h"
#include "lib/store/publish.h"

#define FILE_MAX ((size_t)8 << 20)
#define WAIT_MS 60000
#define DIGEST "sha256:"

/* --- the file ------------------------------------------------------------ */

static int
fail_line(const char *path, size_t line, const char *why, struct vm_error *err)
{
	return vm_error_set(err, VM_E_DATA, "bad_lock_file",
	    "%s:%zu: not a line of a lock file: %s", path, line, why);
}

/* Every member that is used later is there and of its form. */
static int
check_entry(const struct vm_json *entry, const struct vm_json *before,
    const char *path, size_t line, struct vm_error *err)
{
	const char *alias = vm_json_string(entry, "alias", "");
	static const char *const members[] = { "alias", "source", "url",
		"digest", "date" };
	const char *digest = vm_json_string(entry, "digest", "");
	struct vm_error failure = { 0 };

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (vm_json_string(entry, members[i], NULL) == NULL)
			return fail_line(path, line, members[i], err);
	if (vm_alias_check_name(alias, &failure) == -1)
		return fail_line(path, line, "alias", err);
	if (strcmp(alias, vm_json_string(before, "alias", "")) == 0)
		return fail_line(path, line, "the same alias again", err);
	if (strncmp(digest, DIGEST, strlen(DIGEST)) != 0 ||
	    strlen(digest) != strlen(DIGEST) + 64 ||
	    strspn(digest + strlen(DIGEST), "0123456789abcdef") != 64)
		return fail_line(path, line, "digest", err);
	return 0;
}

static int
add_line(struct vm_json *entries, const char *text, size_t len,
    const char *path, struct vm_error *err)
{
	size_t line = vm_json_count(entries) + 1;
	const struct vm_json *before = line == 1 ?
	    NULL :
	    vm_json_at(entries, line - 2);
	struct vm_error failure = { 0 };
	struct vm_json *entry VM_CLEAN_JSON = vm_json_parse(text, len,
	    &failure);

	if (entry == NULL)
		return fail_line(path, line, failure.message, err);
	if (check_entry(entry, before, path, line, err) == -1)
		return -1;
	return vm_json_append(entries, VM_TAKE(entry), err);
}

/* All lines; a file that is not there has none. */
static struct vm_json *
load(const char *path, struct vm_error *err)
{
	struct vm_json *entries VM_CLEAN_JSON = vm_json_new_array();
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	struct vm_error failure = { 0 };
	size_t begin = 0;

	if (entries == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (vm_fd_read_file(AT_FDCWD, path, FILE_MAX, &text, &failure) == -1) {
		if (failure.kind == VM_E_NO_INPUT)
			return VM_TAKE(entries);
		if (err != NULL)
			*err = failure;
		return NULL;
	}
	while (begin < text.len) {
		const char *line = text.data + begin;
		const char *end = memchr(line, '\n', text.len - begin);
		size_t len = end == NULL ? text.len - begin :
					   (size_t)(end - line);

		if (add_line(entries, line, len, path, err) == -1)
			return NULL;
		begin += len + 1;
	}
	return VM_TAKE(entries);
}

/* The lines in the order of aliases, this one instead of its alias's old. */
static int
format(const struct vm_json *entries, const struct vm_json *entry,
    struct vm_buf *text, struct vm_error *err)
{
	const char *alias = vm_json_string(entry, "alias", "");
	bool done = false;

	for (size_t i = 0; i < vm_json_count(entries); i++) {
		const struct vm_json *old = vm_json_at(entries, i);
		int order = strcmp(alias, vm_json_string(old, "alias", ""));

		if (!done && order <= 0) {
			done = true;
			if (vm_json_format(entry, false, text, err) == -1 ||
			    vm_buf_add_string(text, "\n", err) == -1)
				return -1;
		}
		if (order != 0 &&
		    (vm_json_format(old, false, text, err) == -1 ||
			vm_buf_add_string(text, "\n", err) == -1))
			return -1;
	}
	if (done)
		return 0;
	if (vm_json_format(entry, false, text, err) == -1)
		return -1;
	return vm_buf_add_string(text, "\n", err);
}

/* --- noting -------------------------------------------------------------- */

static struct vm_json *
describe(struct vm_store *store, const struct vm_fetched *fetched,
    struct vm_error *err)
{
	struct vm_json *facts VM_CLEAN_JSON = vm_image_load(store,
	    fetched->alias.id, err);
	struct vm_json *alias VM_CLEAN_JSON = facts == NULL ?
	    NULL :
	    vm_alias_load(store, fetched->alias.name, err);
	struct vm_json *entry VM_CLEAN_JSON = vm_json_new_object();
	char *digest VM_CLEAN_FREE = vm_buf_printf(err, DIGEST "%s",
	    vm_json_string(facts, "sha256", fetched->alias.id));
	const char *source = vm_json_string(alias, "source", "");
	bool same = strcmp(source, vm_json_string(facts, "source", "")) == 0;

	if (alias == NULL || digest == NULL)
		return NULL;
	if (entry == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (vm_json_set_string(entry, "alias", fetched->alias.name, err) ==
		-1 ||
	    vm_json_set_string(entry, "source", source, err) == -1 ||
	    vm_json_set_string(entry, "url",
		same ? vm_json_string(facts, "url", source) : source,
		err) == -1 ||
	    vm_json_set_string(entry, "digest", digest, err) == -1 ||
	    vm_json_set_int(entry, "size",
		vm_json_int(facts, "published_size", 0), err) == -1 ||
	    vm_json_set_string(entry, "date",
		vm_json_string(facts, "fetched", ""), err) == -1)
		return NULL;
	return VM_TAKE(entry);
}

/* Open the file's directory; *name is its name in there. */
static int
open_directory(const char *path, const char **name, struct vm_error *err)
{
	const char *slash = strrchr(path, '/');
	char *directory VM_CLEAN_FREE = slash == NULL ?
	    vm_buf_printf(err, ".") :
	    vm_buf_printf(err, "%.*s", (int)(slash + 1 - path), path);
	int fd;

	if (directory == NULL)
		return -1;
	*name = slash == NULL ? path : slash + 1;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd != -1 ? fd : vm_error_errno(err, errno, "%s", directory);
}

/* One writer at a time, whatever name each has for the directory. */
static int
take_lock(struct vm_store *store, int dir_fd, const char *name,
    struct vm_error *err)
{
	char link[32], directory[PATH_MAX], hex[VM_HASH_SHA256_HEX];
	char *path VM_CLEAN_FREE = NULL;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
	len = readlink(link, directory, sizeof(directory) - 1);
	if (len == -1)
		return vm_error_errno(err, errno, "%s", link);
	path = vm_buf_printf(err, "%.*s/%s", (int)len, directory, name);
	if (path == NULL || vm_hash_sha256(path, strlen(path), hex, err) == -1)
		return -1;
	return vm_lock_named(store, hex, WAIT_MS, err);
}

int
vm_lockfile_note(struct vm_store *store, const char *path,
    const struct vm_fetched *fetched, struct vm_error *err)
{
	struct vm_json *entry VM_CLEAN_JSON = describe(store, fetched, err);
	struct vm_json *entries VM_CLEAN_JSON = NULL;
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_FD int dir_fd = -1;
	VM_CLEAN_FD int lock_fd = -1;
	const char *name = NULL;

	if (entry == NULL)
		return -1;
	dir_fd = open_directory(path, &name, err);
	if (dir_fd == -1)
		return -1;
	lock_fd = take_lock(store, dir_fd, name, err);
	if (lock_fd == -1)
		return -1;
	entries = load(path, err);
	if (entries == NULL)
		return -1;
	for (size_t i = 0; i < vm_json_count(entries); i++)
		if (vm_json_is_equal(vm_json_at(entries, i), entry))
			return 0;
	if (format(entries, entry, &text, err) == -1)
		return -1;
	return vm_publish_file_outside(store, dir_fd, name, 0644, text.data,
	    text.len, err);
}

/* --- obeying ------------------------------------------------------------- */

/* By its alias, where that is known, else by the source. */
static const struct vm_json *
find_entry(const struct vm_json *entries, const struct vm_source *source,
    const char *alias)
{
	bool is_alias = source->kind == VM_SOURCE_STORE;
	const char *key = is_alias || alias != NULL ? "alias" : "source";
	const char *wanted = is_alias || alias == NULL ? source->shown : alias;

	for (size_t i = 0; i < vm_json_count(entries); i++) {
		const struct vm_json *entry = vm_json_at(entries, i);

		if (strcmp(vm_json_string(entry, key, ""), wanted) == 0)
			return entry;
	}
	return NULL;
}

static int
fail_drift(const char *path, const char *what, const char *is,
    const char *locked, struct vm_error *err)
{
	vm_error_set(err, VM_E_DATA, "lock_drift", "%s is %s, %s says %s", what,
	    is, path, locked);
	return vm_error_hint(err, "vmfetch --lock %s without --locked", path);
}

/*
 * Go to the noted URL, unless that would take credentials along that are for
 * the source's host.
 */
static int
go_to_url(struct vm_source *source, const struct vm_fetch_options *options,
    const char *url, struct vm_error *err)
{
	const struct vm_http_access *access = &options->reach.access;
	bool secret = access->token != NULL || access->user != NULL ||
	    access->cert_file != NULL || strchr(source->location, '@') != NULL;
	char *clean VM_CLEAN_FREE = NULL;

	if (source->kind != VM_SOURCE_HTTP || secret ||
	    strcmp(source->shown, url) == 0)
		return 0;
	clean = vm_http_clean_url(url, err);
	if (clean == NULL)
		return -1;
	free(source->location);
	source->location = VM_TAKE(clean);
	return 0;
}

/* The source as the entry has it. */
static int
resolve(const struct vm_source *asked, const struct vm_fetch_options *options,
    const struct vm_json *entry, struct vm_source *source, struct vm_error *err)
{
	const char *locked = vm_json_string(entry, "source", "");
	const char *digest = vm_json_string(entry, "digest", "");
	const char *path = options->lock_file;

	if (vm_source_parse(asked->kind == VM_SOURCE_STORE ? locked :
							     asked->location,
		NULL, source, err) == -1)
		return -1;
	if (strcmp(source->shown, locked) != 0)
		return fail_drift(path, "its source", source->shown, locked,
		    err);
	source->pull = asked->pull;
	for (size_t i = 0; i < asked->mirror_count; i++)
		if (vm_source_add_mirror(source, asked->mirrors[i].location,
			err) == -1)
			return -1;
	if (asked->digest[0] == '\0') {
		if (vm_source_pin(source, digest, err) == -1)
			return -1;
	} else {
		source->digest_type = asked->digest_type;
		memcpy(source->digest, asked->digest, sizeof(source->digest));
	}
	return go_to_url(source, options, vm_json_string(entry, "url", ""),
	    err);
}

static int
fail_no_file(const char *path, const struct vm_source *asked,
    struct vm_error *err)
{
	vm_error_set(err, VM_E_NO_INPUT, "no_lock_file",
	    "%s: there is no such lock file", path);
	return vm_error_hint(err, "vmfetch --lock %s %s", path, asked->shown);
}

/* Only a URL or file can be fetched: what came from stdin is there, or not. */
static int
check_kind(struct vm_store *store, const struct vm_source *source,
    const struct vm_fetch_options *options, const struct vm_json *entry,
    struct vm_error *err)
{
	struct vm_error ignored = { 0 };
	char id[VM_IMAGE_ID + 8];

	if (source->kind != VM_SOURCE_STORE ||
	    (store != NULL &&
		vm_present_find(store, source->digest_type, source->digest, id,
		    &ignored) == 1))
		return 0;
	vm_error_set(err, VM_E_NO_INPUT, "image_not_found",
	    "not in the store, and it came from stdin");
	return vm_error_hint(err, "vmfetch --lock %s --locked -a %s --image -",
	    options->lock_file, vm_json_string(entry, "alias", ""));
}

int
vm_lockfile_fetch(struct vm_store *store, const struct vm_source *asked,
    const struct vm_fetch_options *options, struct vm_fetched *fetched,
    struct vm_error *err)
{
	struct vm_json *entries VM_CLEAN_JSON = load(options->lock_file, err);
	struct vm_source source VM_CLEAN_SOURCE = { 0 };
	struct vm_fetch_options how = *options;
	struct vm_fetched made = { 0 };
	const struct vm_json *entry;
	const char *digest;

	if (entries == NULL)
		return -1;
	if (vm_json_count(entries) == 0 && access(how.lock_file, F_OK) == -1)
		return fail_no_file(how.lock_file, asked, err);
	entry = find_entry(entries, asked, options->alias);
	if (entry == NULL) {
		vm_error_set(err, VM_E_DATA, "not_locked", "%s: not in %s",
		    asked->shown, options->lock_file);
		return vm_error_hint(err, "vmfetch --lock %s %s",
		    options->lock_file, asked->shown);
	}
	if (resolve(asked, options, entry, &source, err) == -1 ||
	    check_kind(store, &source, options, entry, err) == -1)
		return vm_error_wrap(err, "%s", asked->shown);
	/* The digest says it all; it was verified when it was noted. */
	how.verify = VM_VERIFY_USUAL;
	if (how.alias == NULL)
		how.alias = vm_json_string(entry, "alias", NULL);
	if (vm_fetch_source(store, &source, &how, &made, err) == -1)
		return -1;
	digest = vm_json_string(entry, "digest", "") + strlen(DIGEST);
	if (!made.absent && strncmp(made.alias.id, digest, 64) != 0)
		return fail_drift(options->lock_file, asked->shown,
		    made.alias.id, digest, err);
	*fetched = made;
	return 0;
}
