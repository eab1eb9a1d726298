#include "lib/image/bundle.h"

#include <string.h>
#include <strings.h>

#include "lib/adapt/archive_tar.h"
#include "lib/base/log.h"

#include "lib/disk/inspect.h"
#include "lib/image/ovf.h"
#include "lib/image/ovf_checks.h"
#include "lib/image/ovf_manifest.h"
#include "lib/image/unpack.h"

#define TEXT_MAX VM_OVF_MAX_BYTES /* of an .ovf and an .mf */

struct bundle {
	struct vm_store *store;
	const struct vm_master_input *input; /* the whole file's */
	const struct vm_master_options *options;
	struct vm_intake *intake;
	uint64_t unpacked; /* bytes of the whole file */
	struct vm_tar *tar;
	size_t files; /* so far */
	struct vm_ovf ovf;
	bool is_ova;
	struct vm_ovf_checks checks; /* of an OVA */
};

static void
release(struct bundle *b)
{
	vm_tar_clean(&b->tar);
	vm_ovf_release(&b->ovf);
	vm_ovf_checks_release(&b->checks);
}

/* The tar file's own bytes, also those of what is passed over. */
static int
pull_file(void *context, const void **data, size_t *len, struct vm_error *err)
{
	struct bundle *b = context;

	if (b->input->pull(b->input->context, data, len, err) == -1)
		return -1;
	b->unpacked += *len;
	return vm_master_check_ratio(b->input->stream, b->options, b->unpacked,
	    err);
}

/* The bytes of the member at hand, digested on the way. */
static int
pull_member(void *context, const void **data, size_t *len, struct vm_error *err)
{
	struct bundle *b = context;

	if (vm_tar_read(b->tar, data, len, err) == -1)
		return -1;
	return b->is_ova ? vm_ovf_checks_add(&b->checks, *data, *len, err) : 0;
}

static bool
ends_with(const char *name, const char *ending)
{
	size_t len = strlen(name), end = strlen(ending);

	return len > end && strcasecmp(name + len - end, ending) == 0;
}

/* --- disks --------------------------------------------------------------- */

/* Is it called like a disk? */
static bool
is_disk_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	return (slash == NULL ? name : slash + 1)[0] != '.' &&
	    (vm_source_format(name) != NULL || ends_with(name, ".img"));
}

static int
build_disk(struct bundle *b, size_t i, const char *name, struct vm_peek *bytes,
    struct vm_error *err)
{
	struct vm_master_options options = *b->options;
	const struct vm_master_input input = {
		.pull = vm_peek_read,
		.context = bytes,
		.stream = b->input->stream,
		.is_member = true,
	};
	struct vm_intake_disk *disk;

	options.format = vm_source_format(name);
	disk = vm_intake_begin(b->store, b->intake, i, name, err);
	if (disk == NULL ||
	    vm_master_build(&disk->publish, &input, &options, &disk->master,
		err) == -1)
		return vm_error_wrap(err, "%s", name);
	return 0;
}

/* Is it, in spite of its name, something that we know as a disk? */
static int
looks_like_disk(struct vm_peek *bytes, bool *is_disk, struct vm_error *err)
{
	enum vm_disk_format format;

	if (vm_peek_fill(bytes, VM_INSPECT_HEAD, err) == -1)
		return -1;
	*is_disk = vm_inspect_head(bytes->head.data, bytes->head.len, &format,
		       NULL) == 0 &&
	    format != VM_DISK_RAW;
	return 0;
}

/* --- members ------------------------------------------------------------- */

/* A member that is text: all of it. */
static int
read_text(struct bundle *b, const struct vm_tar_member *member,
    struct vm_buf *text, struct vm_error *err)
{
	const void *data;
	size_t len;

	if (member->size > TEXT_MAX)
		return vm_error_set(err, VM_E_DATA, "too_large",
		    "%s: more than %zu bytes", member->name, TEXT_MAX);
	do
		if (pull_member(b, &data, &len, err) == -1 ||
		    vm_buf_add(text, data, len, err) == -1)
			return -1;
	while (len > 0);
	return 0;
}

static int
read_ovf(struct bundle *b, const struct vm_tar_member *member,
    struct vm_error *err)
{
	struct vm_buf text VM_CLEAN_BUF = { 0 };

	if (read_text(b, member, &text, err) == -1)
		return -1;
	if (vm_ovf_parse(text.data == NULL ? "" : text.data, text.len, &b->ovf,
		err) == -1)
		return vm_error_wrap(err, "%s", member->name);
	return 0;
}

static int
read_checks(struct bundle *b, const struct vm_tar_member *member,
    struct vm_error *err)
{
	struct vm_buf text VM_CLEAN_BUF = { 0 };

	if (read_text(b, member, &text, err) == -1)
		return -1;
	if (vm_ovf_checks_expect(&b->checks, text.data == NULL ? "" : text.data,
		text.len, err) == -1)
		return vm_error_wrap(err, "%s", member->name);
	return 0;
}

/* Read on to its end, because of its digest. */
static int
read_rest(struct vm_peek *bytes, struct vm_error *err)
{
	const void *data;
	size_t len;

	do
		if (vm_peek_read(bytes, &data, &len, err) == -1)
			return -1;
	while (len > 0);
	return 0;
}

static int
pass_over(const struct bundle *b, const struct vm_tar_member *member,
    struct vm_peek *bytes, struct vm_error *err)
{
	vm_log(VM_LOG_INFO, "%s: no disk, passed over", member->name);
	return b->is_ova ? read_rest(bytes, err) : 0;
}

/* A member of an OVA behind the .ovf. */
static int
take_ova_member(struct bundle *b, const struct vm_tar_member *member,
    struct vm_peek *bytes, struct vm_error *err)
{
	struct vm_unpack unpack VM_CLEAN_UNPACK = { 0 };
	struct vm_peek unpacked VM_CLEAN_PEEK = { .pull = vm_unpack_read,
		.context = &unpack };
	size_t i;

	for (i = 0; i < b->ovf.disk_count; i++)
		if (strcmp(b->ovf.disks[i].href, member->name) == 0)
			break;
	if (i == b->ovf.disk_count)
		return ends_with(member->name, ".mf") ?
		    read_checks(b, member, err) :
		    pass_over(b, member, bytes, err);
	if (!b->ovf.disks[i].is_gzip)
		return build_disk(b, i, member->name, bytes, err);
	if (vm_unpack_open(&unpack, vm_peek_read, bytes, err) == -1)
		return vm_error_wrap(err, "%s", member->name);
	if (build_disk(b, i, member->name, &unpacked, err) == -1)
		return -1;
	return read_rest(bytes, err);
}

static int
take_member(struct bundle *b, const struct vm_tar_member *member,
    struct vm_error *err)
{
	struct vm_peek bytes VM_CLEAN_PEEK = { .pull = pull_member,
		.context = b };
	bool is_disk;

	if (b->is_ova)
		return take_ova_member(b, member, &bytes, err);
	is_disk = is_disk_name(member->name);
	if (!is_disk && looks_like_disk(&bytes, &is_disk, err) == -1)
		return -1;
	if (!is_disk)
		return pass_over(b, member, &bytes, err);
	if (b->intake->count == VM_INTAKE_MAX)
		return vm_error_set(err, VM_E_DATA, "too_many_disks",
		    "more than %d disks in it", VM_INTAKE_MAX);
	return build_disk(b, b->intake->count, member->name, &bytes, err);
}

/* What comes first says what the whole is. */
static int
take_file(struct bundle *b, const struct vm_tar_member *member,
    struct vm_error *err)
{
	bool is_ovf = ends_with(member->name, ".ovf");
	int result;

	if (is_ovf && b->files > 0)
		return vm_error_set(err, VM_E_DATA, "bad_ovf",
		    "%s: in an OVA the .ovf is the first file, and the only "
		    "one",
		    member->name);
	b->files++;
	b->is_ova |= is_ovf;
	if (!b->is_ova)
		return take_member(b, member, err);
	if (vm_ovf_checks_begin(&b->checks, member->name, err) == -1)
		return -1;
	result = is_ovf ? read_ovf(b, member, err) :
			  take_member(b, member, err);
	return result == -1 ? -1 : vm_ovf_checks_end(&b->checks, err);
}

/* --- all ----------------------------------------------------------------- */

static int
finish_ova(struct bundle *b, struct vm_error *err)
{
	for (size_t i = 0; i < b->ovf.disk_count; i++)
		if (b->intake->disks[i].publish.store == NULL)
			return vm_error_set(err, VM_E_DATA, "file_missing",
			    "%s: a disk of the OVF, but not in the archive",
			    b->ovf.disks[i].href);
	if (vm_ovf_checks_finish(&b->checks, err) == -1)
		return -1;
	b->intake->machine = vm_ovf_manifest_describe(&b->ovf, err);
	return b->intake->machine == NULL ? -1 : 0;
}

/* To the end of what it is packed in: that may be damaged as well. */
static int
drain(struct bundle *b, struct vm_error *err)
{
	const void *data;
	size_t len;

	do
		if (pull_file(b, &data, &len, err) == -1)
			return -1;
	while (len > 0);
	return 0;
}

int
vm_bundle_build(struct vm_store *store, const struct vm_master_input *input,
    const struct vm_master_options *options, struct vm_intake *intake,
    struct vm_error *err)
{
	struct bundle b VM_CLEAN(release) = { .store = store,
		.input = input,
		.options = options,
		.intake = intake };
	struct vm_tar_member member;
	int more;

	b.tar = vm_tar_open(pull_file, &b, err);
	if (b.tar == NULL)
		return -1;
	while ((more = vm_tar_next(b.tar, &member, err)) == 1)
		if (!member.is_directory && take_file(&b, &member, err) == -1)
			return -1;
	if (more == -1 || drain(&b, err) == -1)
		return -1;
	if (b.is_ova)
		return finish_ova(&b, err);
	if (intake->count > 0)
		return 0;
	return vm_error_set(err, VM_E_DATA, "no_disk",
	    "an archive with no disk image in it");
}
