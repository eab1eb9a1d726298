#include "lib/adapt/archive_tar.h"

#include <sys/types.h>

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"

#define MAGIC_AT 257
#define MAGIC "ustar"
#define SHOWN 200 /* bytes of a name in a message */
/* A sparse member's map is part of its header, and is kept in memory. */
#define HEADER_MAX ((size_t)4 << 20)

struct vm_tar {
	struct archive *archive;
	vm_archive_pull *pull;
	void *context;
	struct vm_error error; /* of pull */
	bool in_header;	       /* and so many bytes of it have come: */
	size_t header_len;
	void *names; /* tree of those seen */
	size_t count;
	uint64_t size, position; /* of the member at hand */
	bool ended;		 /* it has no further block */
	const void *block;	 /* not given out yet */
	size_t block_len;
	uint64_t block_at; /* in the member; zeros up to there */
};

static const unsigned char zeros[64 << 10];

static la_ssize_t
feed(struct archive *archive, void *context, const void **data)
{
	struct vm_tar *t = context;
	size_t len;

	if (t->pull(t->context, data, &len, &t->error) == -1) {
		archive_set_error(archive, EIO, "%s", t->error.message);
		return -1;
	}
	t->header_len += t->in_header ? len : 0;
	if (t->header_len > HEADER_MAX) {
		archive_set_error(archive, EINVAL,
		    "a header of more than %zu bytes", HEADER_MAX);
		return -1;
	}
	return (la_ssize_t)len;
}

/* The feeder's failure if there was one, else the reader's. */
static int
fail(const struct vm_tar *t, struct vm_error *err)
{
	const char *why = archive_error_string(t->archive);
	char shown[SHOWN];

	if (vm_error_is_set(&t->error)) {
		if (err != NULL)
			*err = t->error;
		return -1;
	}
	if (archive_errno(t->archive) == ENOMEM)
		return vm_error_nomem(err);
	return vm_error_set(err, VM_E_DATA, "bad_archive", "a bad archive: %s",
	    vm_log_escape(why == NULL ? "damaged" : why, shown, sizeof(shown)));
}

bool
vm_tar_is(const void *head, size_t len)
{
	return len >= VM_TAR_HEAD &&
	    memcmp((const char *)head + MAGIC_AT, MAGIC, strlen(MAGIC)) == 0;
}

struct vm_tar *
vm_tar_open(vm_archive_pull *pull, void *context, struct vm_error *err)
{
	struct vm_tar *t = calloc(1, sizeof(*t));

	if (t == NULL || (t->archive = archive_read_new()) == NULL) {
		free(t);
		vm_error_nomem(err);
		return NULL;
	}
	t->pull = pull;
	t->context = context;
	if (archive_read_support_format_tar(t->archive) != ARCHIVE_OK ||
	    archive_read_open(t->archive, t, NULL, feed, NULL) != ARCHIVE_OK) {
		fail(t, err);
		vm_tar_clean(&t);
	}
	return t;
}

/* --- members ------------------------------------------------------------- */

static int
refuse(const char *name, const char *why, struct vm_error *err)
{
	char shown[SHOWN];

	return vm_error_set(err, VM_E_DATA, "archive_member",
	    "member \"%s\": %s",
	    vm_log_escape(name == NULL ? "?" : name, shown, sizeof(shown)),
	    why);
}

static int
check_type(struct archive_entry *entry, const char *name, struct vm_error *err)
{
	if (archive_entry_hardlink(entry) != NULL)
		return refuse(name, "a hard link is not accepted", err);
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
	case AE_IFDIR:
		return 0;
	case AE_IFLNK:
		return refuse(name, "a symbolic link is not accepted", err);
	default:
		return refuse(name, "a device or fifo is not accepted", err);
	}
}

/* Is there a component ".." in it? */
static bool
leads_up(const char *name)
{
	while (name != NULL) {
		if (strncmp(name, "..", 2) == 0 &&
		    (name[2] == '/' || name[2] == '\0'))
			return true;
		name = strchr(name, '/');
		name = name == NULL ? NULL : name + 1;
	}
	return false;
}

static int
check_name(const char *name, struct vm_error *err)
{
	char shown[VM_TAR_MAX_NAME + 1];

	if (name == NULL || name[0] == '\0')
		return refuse(name, "it has no name", err);
	if (strlen(name) > VM_TAR_MAX_NAME)
		return refuse(name, "its name is too long", err);
	if (name[0] == '/')
		return refuse(name, "its name is absolute", err);
	if (leads_up(name))
		return refuse(name, "its name has \"..\" in it", err);
	vm_log_escape(name, shown, sizeof(shown));
	if (strcmp(name, shown) != 0)
		return refuse(name,
		    "its name has control characters in it or is not UTF-8",
		    err);
	return 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Keep the name, cleaned, for as long as the archive is open. */
static const char *
keep_name(struct vm_tar *t, const char *name, struct vm_error *err)
{
	size_t len;
	char *kept, **place;

	while (strncmp(name, "./", 2) == 0)
		for (name += 2; *name == '/'; name++)
			continue;
	kept = strdup(*name == '\0' ? "." : name);
	if (kept == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	for (len = strlen(kept); len > 1 && kept[len - 1] == '/'; len--)
		kept[len - 1] = '\0';
	place = tsearch(kept, &t->names, compare);
	if (place == NULL)
		vm_error_nomem(err);
	else if (*place == kept)
		return kept;
	else
		refuse(kept, "it is there twice", err);
	free(kept);
	return NULL;
}

static int
take_member(struct vm_tar *t, struct archive_entry *entry,
    struct vm_tar_member *member, struct vm_error *err)
{
	const char *name = archive_entry_pathname(entry);

	if (check_name(name, err) == -1 || check_type(entry, name, err) == -1)
		return -1;
	if (archive_entry_size_is_set(entry) == 0 ||
	    archive_entry_size(entry) < 0)
		return refuse(name, "it has no size", err);
	member->name = keep_name(t, name, err);
	if (member->name == NULL)
		return -1;
	member->is_directory = archive_entry_filetype(entry) == AE_IFDIR;
	member->size = (uint64_t)archive_entry_size(entry);
	t->size = member->size;
	t->position = 0;
	t->block_at = 0;
	t->block_len = 0;
	t->ended = false;
	return 1;
}

/* A warning is about a name that is no ASCII, or about a header that lies. */
static bool
is_about_charset(struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	for (; name != NULL && *name != '\0'; name++)
		if ((unsigned char)*name >= 0x80)
			return true;
	return false;
}

/* Pass over what is left of the last member, then read the next header. */
static int
read_header(struct vm_tar *t, struct archive_entry **entry)
{
	int result = t->count == 0 ? ARCHIVE_OK :
				     archive_read_data_skip(t->archive);

	if (result != ARCHIVE_OK && result != ARCHIVE_EOF)
		return ARCHIVE_FATAL;
	t->in_header = true;
	t->header_len = 0;
	result = archive_read_next_header(t->archive, entry);
	t->in_header = false;
	t->header_len = 0;
	return result;
}

int
vm_tar_next(struct vm_tar *t, struct vm_tar_member *member,
    struct vm_error *err)
{
	struct archive_entry *entry = NULL;

	switch (read_header(t, &entry)) {
	case ARCHIVE_EOF:
		return 0;
	case ARCHIVE_WARN:
		if (is_about_charset(entry))
			break;
		return fail(t, err);
	case ARCHIVE_OK:
		break;
	default:
		return fail(t, err);
	}
	if (++t->count > VM_TAR_MAX_MEMBERS)
		return vm_error_set(err, VM_E_DATA, "too_many_members",
		    "it has more than %d members", VM_TAR_MAX_MEMBERS);
	return take_member(t, entry, member, err);
}

/* --- their bytes --------------------------------------------------------- */

/* The next bytes that are there, and where in the member they belong. */
static int
find_block(struct vm_tar *t, struct vm_error *err)
{
	const void *block = NULL;
	la_int64_t offset = 0;
	int result;

	do
		result = archive_read_data_block(t->archive, &block,
		    &t->block_len, &offset);
	while (result == ARCHIVE_OK && t->block_len == 0);
	if (result == ARCHIVE_EOF) {
		t->ended = true;
		t->block_len = 0;
		t->block_at = t->size;
		return 0;
	}
	if (result != ARCHIVE_OK)
		return fail(t, err);
	t->block = block;
	t->block_at = (uint64_t)offset;
	if (offset < 0 || t->block_at < t->position || t->block_at > t->size ||
	    t->block_len > t->size - t->block_at)
		return vm_error_set(err, VM_E_DATA, "bad_archive",
		    "a bad archive: the parts of a sparse member lie");
	return 0;
}

int
vm_tar_read(void *tar, const void **data, size_t *len, struct vm_error *err)
{
	struct vm_tar *t = tar;
	uint64_t hole;

	if (!t->ended && t->block_len == 0 && find_block(t, err) == -1)
		return -1;
	hole = t->block_at - t->position;
	if (hole > 0) {
		*data = zeros;
		*len = hole < sizeof(zeros) ? (size_t)hole : sizeof(zeros);
	} else {
		*data = t->block;
		*len = t->block_len;
		t->block_len = 0;
	}
	t->position += *len;
	t->block_at = hole > 0 ? t->block_at : t->position;
	return 0;
}

static void
forget(void *name)
{
	free(name);
}

void
vm_tar_clean(struct vm_tar **tar)
{
	if (*tar == NULL)
		return;
	tdestroy((*tar)->names, forget);
	archive_read_free((*tar)->archive);
	free(VM_TAKE(*tar));
}
