#include "lib/adapt/archive.h"

#include <sys/types.h>

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>

struct vm_archive {
	struct archive *archive;
	vm_archive_pull *pull;
	void *context;
	struct vm_error error; /* of pull */
};

static la_ssize_t
feed(struct archive *archive, void *context, const void **data)
{
	struct vm_archive *a = context;
	size_t len;

	if (a->pull(a->context, data, &len, &a->error) == -1) {
		archive_set_error(archive, EIO, "%s", a->error.message);
		return -1;
	}
	return (la_ssize_t)len;
}

/* The feeder's failure if there was one, else the unpacker's. */
static int
fail(const struct vm_archive *a, struct vm_error *err)
{
	if (vm_error_is_set(&a->error)) {
		if (err != NULL)
			*err = a->error;
		return -1;
	}
	if (archive_errno(a->archive) == ENOMEM)
		return vm_error_nomem(err);
	return vm_error_set(err, VM_E_DATA, "bad_compression",
	    "cannot be unpacked: %s", archive_error_string(a->archive));
}

/* A filter that would start a program of its own answers ARCHIVE_WARN. */
static int
allow_filters(struct vm_archive *a, struct vm_error *err)
{
	if (archive_read_support_filter_gzip(a->archive) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(a->archive) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(a->archive) != ARCHIVE_OK ||
	    archive_read_support_filter_bzip2(a->archive) != ARCHIVE_OK ||
	    archive_read_support_filter_lz4(a->archive) != ARCHIVE_OK ||
	    archive_read_support_format_raw(a->archive) != ARCHIVE_OK ||
	    archive_read_support_format_empty(a->archive) != ARCHIVE_OK)
		return vm_error_set(err, VM_E_CONFIG, "no_decoder",
		    "libarchive was built without gz, xz, zst, bz2 or lz4");
	return 0;
}

static int
begin(struct vm_archive *a, struct vm_error *err)
{
	struct archive_entry *entry;
	int result;

	if (allow_filters(a, err) == -1)
		return -1;
	if (archive_read_open(a->archive, a, NULL, feed, NULL) != ARCHIVE_OK)
		return fail(a, err);
	result = archive_read_next_header(a->archive, &entry);
	if (result == ARCHIVE_EOF)
		return vm_error_set(err, VM_E_DATA, "truncated", "it is empty");
	if (result != ARCHIVE_OK)
		return fail(a, err);
	if (archive_filter_count(a->archive) > 2)
		return vm_error_set(err, VM_E_DATA, "bomb",
		    "it is compressed more than once");
	return 0;
}

struct vm_archive *
vm_archive_open(vm_archive_pull *pull, void *context, struct vm_error *err)
{
	struct vm_archive *a = calloc(1, sizeof(*a));

	if (a == NULL || (a->archive = archive_read_new()) == NULL) {
		free(a);
		vm_error_nomem(err);
		return NULL;
	}
	a->pull = pull;
	a->context = context;
	if (begin(a, err) == -1) {
		vm_archive_clean(&a);
		return NULL;
	}
	return a;
}

bool
vm_archive_is_plain(const struct vm_archive *a)
{
	return archive_filter_count(a->archive) == 1; /* libarchive's own */
}

int
vm_archive_read(void *archive, const void **data, size_t *len,
    struct vm_error *err)
{
	struct vm_archive *a = archive;
	la_int64_t offset;

	switch (archive_read_data_block(a->archive, data, len, &offset)) {
	case ARCHIVE_OK:
		return 0;
	case ARCHIVE_EOF:
		*len = 0;
		return 0;
	default:
		return fail(a, err);
	}
}

void
vm_archive_clean(struct vm_archive **archive)
{
	if (*archive == NULL)
		return;
	archive_read_free((*archive)->archive);
	free(*archive);
}
