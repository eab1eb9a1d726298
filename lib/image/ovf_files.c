#include "lib/image/ovf_files.h"

#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "lib/source/document.h"
#include "lib/image/ovf.h"
#include "lib/image/ovf_checks.h"
#include "lib/image/ovf_manifest.h"
#include "lib/source/part.h"
#include "lib/image/unpack.h"

struct reading {
	const struct vm_ovf_files *files;
	struct vm_intake *intake;
	char *name; /* the .ovf's */
	struct vm_ovf ovf;
	struct vm_ovf_checks checks;
	struct vm_buf list;	  /* what sha256sum prints */
	uint64_t done;		  /* bytes of the files before this one */
	struct vm_stream *stream; /* of this one */
};

static void
release(struct reading *r)
{
	free(r->name);
	vm_stream_clean(&r->stream);
	vm_ovf_release(&r->ovf);
	vm_ovf_checks_release(&r->checks);
	vm_buf_release(&r->list);
}

bool
vm_ovf_files_is(const struct vm_source *source)
{
	return source->format != NULL && strcmp(source->format, "ovf") == 0;
}

/* --- where they are ------------------------------------------------------ */

/* A path as part of a URL (RFC 3986): what is not unreserved as %XX. */
static char *
encode(const char *path, struct vm_error *err)
{
	struct vm_buf made VM_CLEAN_BUF = { 0 };

	for (; *path != '\0'; path++) {
		unsigned char c = (unsigned char)*path;
		bool plain = isalnum(c) || strchr("-._~/", c) != NULL;

		if (vm_buf_format(&made, err, plain ? "%c" : "%%%02X", c) == -1)
			return NULL;
	}
	return vm_buf_take(&made, err);
}

/* Whoever made the OVF made the links beside it: none is followed. */
static int
refuse_links(const char *directory, const char *href, struct vm_error *err)
{
	const char *end = href;
	struct stat st;

	while (end != NULL) {
		char *part VM_CLEAN_FREE = NULL;

		end = strchr(end, '/');
		part = vm_buf_printf(err, "%s/%.*s", directory,
		    end == NULL ? (int)strlen(href) : (int)(end - href), href);
		if (part == NULL)
			return -1;
		if (lstat(part, &st) == 0 && S_ISLNK(st.st_mode))
			return vm_error_set(err, VM_E_DATA, "bad_href",
			    "%s: a symbolic link is not followed", part);
		if (end != NULL)
			end++;
	}
	return 0;
}

/* Where a file beside the .ovf is: the caller's. */
static char *
find_beside(const struct vm_source *ovf, const char *name, struct vm_error *err)
{
	char *encoded VM_CLEAN_FREE = NULL;

	if (ovf->kind != VM_SOURCE_HTTP)
		return vm_document_beside(ovf, name, err);
	encoded = encode(name, err);
	return encoded == NULL ? NULL : vm_document_beside(ovf, encoded, err);
}

/* The disk's source. */
static int
find_disk(const struct vm_source *ovf, const char *href,
    struct vm_source *source, struct vm_error *err)
{
	char *where VM_CLEAN_FREE = find_beside(ovf, href, err);
	char *directory VM_CLEAN_FREE = vm_document_beside(ovf, ".", err);

	if (where == NULL || directory == NULL ||
	    (ovf->kind == VM_SOURCE_FILE &&
		refuse_links(directory, href, err) == -1))
		return -1;
	return vm_source_parse(where, NULL, source, err);
}

/* --- one file ------------------------------------------------------------ */

static void
note_progress(void *context, uint64_t done, uint64_t total)
{
	const struct reading *r = context;

	(void)total;
	if (r->files->progress != NULL)
		r->files->progress(r->files->context, r->done + done,
		    UINT64_MAX);
}

/* Begin with the file that is called name in the .mf file. */
static int
begin(struct reading *r, const char *name, struct vm_stream_options *options,
    struct vm_error *err)
{
	options->reach = &r->files->options->reach;
	options->progress = note_progress;
	options->context = r;
	vm_stream_clean(&r->stream);
	r->stream = NULL;
	if (vm_store_free_space(r->files->store, &options->free_bytes, err) ==
	    -1)
		return -1;
	if (options->part != NULL) /* that is on the disk already */
		options->free_bytes += vm_part_prefix(options->part);
	r->stream = vm_stream_open(options, err);
	if (r->stream == NULL)
		return -1;
	return vm_ovf_checks_begin(&r->checks, name, err);
}

static int
pull(void *context, const void **data, size_t *len, struct vm_error *err)
{
	struct reading *r = context;

	if (vm_stream_read(r->stream, data, len, err) == -1)
		return -1;
	return vm_ovf_checks_add(&r->checks, *data, *len, err);
}

/* Its digest, and on to the list. */
static int
end(struct reading *r, const char *name, struct vm_stream_result *result,
    struct vm_error *err)
{
	const void *data;
	size_t len;

	do /* behind the end of what was compressed */
		if (pull(r, &data, &len, err) == -1)
			return -1;
	while (len > 0);
	if (vm_stream_finish(r->stream, result, err) == -1 ||
	    vm_ovf_checks_end(&r->checks, err) == -1)
		return -1;
	r->done += result->size_bytes;
	return vm_buf_format(&r->list, err, "%s  %s\n", result->sha256, name);
}

/* --- the .ovf and the .mf ------------------------------------------------ */

static char *
file_name(const struct vm_source *source, struct vm_error *err)
{
	const char *slash = strrchr(source->location, '/');

	return source->kind == VM_SOURCE_HTTP ?
	    vm_http_file_name(source->location, err) :
	    vm_buf_printf(err, "%s",
		slash == NULL ? source->location : slash + 1);
}

static int
read_ovf(struct reading *r, struct vm_error *err)
{
	struct vm_source ovf = *r->files->source; /* its strings are borrowed */
	struct vm_mirrors mirrors = { .source = &ovf };
	struct vm_stream_options options = { .source = &ovf,
		.mirrors = &mirrors,
		.max_bytes = VM_OVF_MAX_BYTES };
	struct vm_buf text VM_CLEAN_BUF = { 0 };
	const void *data;
	size_t len;

	ovf.digest[0] = '\0'; /* that is of all files */
	if (begin(r, r->name, &options, err) == -1)
		return -1;
	do
		if (pull(r, &data, &len, err) == -1 ||
		    vm_buf_add(&text, data, len, err) == -1)
			return -1;
	while (len > 0);
	if (end(r, r->name, &r->intake->stream, err) == -1)
		return -1;
	return vm_ovf_parse(text.data == NULL ? "" : text.data, text.len,
	    &r->ovf, err);
}

/* There need not be one. */
static int
read_checks(struct reading *r, struct vm_error *err)
{
	const struct vm_source *source = r->files->source;
	char *mf VM_CLEAN_FREE = vm_buf_printf(err, "%.*s.mf",
	    (int)(strlen(r->name) - strlen(".ovf")), r->name);
	char *where VM_CLEAN_FREE = mf == NULL ? NULL :
						 find_beside(source, mf, err);
	struct vm_buf text VM_CLEAN_BUF = { 0 };
	struct vm_error failure = { 0 };

	if (where == NULL)
		return -1;
	if (vm_document_read(source, &r->files->options->reach, where, &text,
		&failure) == 0)
		return vm_ovf_checks_expect(&r->checks,
			   text.data == NULL ? "" : text.data, text.len,
			   err) == -1 ?
		    vm_error_wrap(err, "%s", mf) :
		    0;
	if (failure.kind == VM_E_NO_INPUT ||
	    strcmp(failure.code, "forbidden") == 0)
		return 0;
	if (err != NULL)
		*err = failure;
	return -1;
}

/* --- the disks ----------------------------------------------------------- */

static int
build_disk(struct reading *r, size_t i, struct vm_error *err)
{
	const struct vm_ovf_disk *is = &r->ovf.disks[i];
	struct vm_unpack unpack VM_CLEAN_UNPACK = { 0 };
	struct vm_master_options wanted = *r->files->wanted;
	struct vm_master_input input = {
		.pull = pull, .context = r, .stream = r->stream
	};
	struct vm_intake_disk *disk = vm_intake_begin(r->files->store,
	    r->intake, i, is->href, err);

	if (disk == NULL)
		return -1;
	wanted.format = vm_source_format(is->href);
	if (is->is_gzip) {
		if (vm_unpack_open(&unpack, pull, r, err) == -1)
			return -1;
		input.pull = vm_unpack_read;
		input.context = &unpack;
	}
	return vm_master_build(&disk->publish, &input, &wanted, &disk->master,
	    err);
}

static int
read_disk(struct reading *r, size_t i, const struct vm_source *source,
    struct vm_part *part, struct vm_error *err)
{
	const char *name = r->ovf.disks[i].href;
	struct vm_mirrors mirrors = { .source = source };
	struct vm_stream_options options = { .source = source,
		.mirrors = &mirrors,
		.part = part,
		.max_bytes = r->files->max_bytes };
	struct vm_stream_result result;

	if (begin(r, name, &options, err) == -1 || build_disk(r, i, err) == -1)
		return -1;
	return end(r, name, &result, err);
}

static int
take_disk(struct reading *r, size_t i, struct vm_error *err)
{
	struct vm_source source VM_CLEAN_SOURCE = { 0 };
	struct vm_part *part VM_CLEAN_PART = NULL;
	struct vm_error failure = { 0 };
	int result;

	if (find_disk(r->files->source, r->ovf.disks[i].href, &source, err) ==
	    -1)
		return -1;
	if (source.kind == VM_SOURCE_HTTP)
		part = vm_part_open(r->files->store, &source,
		    !r->files->options->no_part);
	result = read_disk(r, i, &source, part, &failure);
	vm_stream_clean(&r->stream);
	r->stream = NULL;
	if (result == 0 || failure.kind == VM_E_DATA ||
	    strcmp(failure.code, "restart") == 0)
		vm_part_discard(part);
	if (result == 0)
		return 0;
	if (err != NULL)
		*err = failure;
	return strstr(failure.message, source.shown) != NULL ?
	    -1 :
	    vm_error_wrap(err, "%s", r->ovf.disks[i].href);
}

/* --- all ----------------------------------------------------------------- */

static int
digest_list(struct reading *r, enum vm_hash_type type, char *hex,
    struct vm_error *err)
{
	struct vm_hash *hash VM_CLEAN_HASH = vm_hash_new(type, err);

	if (hash == NULL ||
	    vm_hash_add(hash, r->list.data, r->list.len, err) == -1)
		return -1;
	return vm_hash_finish(hash, hex, err);
}

/* What is published as a whole, and whether it is what was asked for. */
static int
finish(struct reading *r, struct vm_error *err)
{
	const struct vm_source *source = r->files->source;
	struct vm_stream_result *whole = &r->intake->stream;
	bool is_512 = source->digest[0] != '\0' &&
	    source->digest_type == VM_HASH_SHA512;
	const char *got = is_512 ? whole->sha512 : whole->sha256;

	if (digest_list(r, VM_HASH_SHA256, whole->sha256, err) == -1 ||
	    (is_512 &&
		digest_list(r, VM_HASH_SHA512, whole->sha512, err) == -1))
		return -1;
	if (source->digest[0] != '\0' && strcmp(source->digest, got) != 0)
		return vm_error_set(err, VM_E_DATA, "digest_mismatch",
		    "it is not what was asked for: %s of the list of its "
		    "files' sha256sums is %s, expected %s",
		    is_512 ? "sha512" : "sha256", got, source->digest);
	whole->size_bytes = r->done;
	/* these would say nothing of the disks */
	whole->reply.etag[0] = whole->reply.modified[0] = '\0';
	r->intake->machine = vm_ovf_manifest_describe(&r->ovf, err);
	return r->intake->machine == NULL ? -1 : 0;
}

static int
check(const struct vm_source *source, struct vm_error *err)
{
	if (source->kind != VM_SOURCE_FILE && source->kind != VM_SOURCE_HTTP)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "an .ovf with its disks is fetched from a directory, by "
		    "http or by https; an OVA from anywhere");
	if (source->mirror_count > 0)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "mirrors do not go with an .ovf and its disks");
	return 0;
}

int
vm_ovf_files_build(const struct vm_ovf_files *files, struct vm_intake *intake,
    struct vm_error *err)
{
	struct reading r VM_CLEAN(release) = { .files = files,
		.intake = intake };

	if (check(files->source, err) == -1)
		return -1;
	r.name = file_name(files->source, err);
	if (r.name == NULL || read_ovf(&r, err) == -1 ||
	    read_checks(&r, err) == -1)
		return -1;
	for (size_t i = 0; i < r.ovf.disk_count; i++)
		if (take_disk(&r, i, err) == -1)
			return -1;
	return finish(&r, err);
}
