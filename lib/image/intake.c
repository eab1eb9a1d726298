#include "lib/image/intake.h"

#include <stdlib.h>
#include <string.h>

#include "lib/adapt/archive_tar.h"
#include "lib/base/buf.h"
#include "lib/image/bundle.h"
#include "lib/image/unpack.h"

struct vm_intake_disk *
vm_intake_begin(struct vm_store *store, struct vm_intake *intake, size_t i,
    const char *name, struct vm_error *err)
{
	struct vm_intake_disk *disk = &intake->disks[i];

	if (vm_publish_begin(store, &disk->publish, err) == -1)
		return NULL;
	if (intake->count <= i)
		intake->count = i + 1;
	if (name == NULL)
		return disk;
	disk->name = vm_buf_printf(err, "%s", name);
	return disk->name == NULL ? NULL : disk;
}

void
vm_intake_release(struct vm_intake *intake)
{
	for (size_t i = 0; i < intake->count; i++) {
		free(VM_TAKE(intake->disks[i].name));
		vm_publish_abort(&intake->disks[i].publish);
	}
	vm_json_free(VM_TAKE(intake->machine));
	intake->count = 0;
}

static int
build_bundle(struct vm_store *store, const struct vm_master_input *input,
    const struct vm_master_options *options, struct vm_intake *intake,
    struct vm_error *err)
{
	const char *want = options->format;

	if (want != NULL && strcmp(want, "tar") != 0)
		return vm_error_set(err, VM_E_DATA, "format_mismatch",
		    "by its name it is %s, by its contents a tar file", want);
	return vm_bundle_build(store, input, options, intake, err);
}

static int
build(struct vm_store *store, struct vm_stream *stream,
    const struct vm_master_options *options, struct vm_intake *intake,
    struct vm_error *err)
{
	struct vm_unpack unpack VM_CLEAN_UNPACK = { 0 };
	struct vm_peek peek VM_CLEAN_PEEK = { .pull = vm_unpack_read,
		.context = &unpack };
	struct vm_master_input input = {
		.pull = vm_peek_read, .context = &peek, .stream = stream
	};
	struct vm_intake_disk *disk;

	if (vm_unpack_open(&unpack, vm_stream_read, stream, err) == -1 ||
	    vm_peek_fill(&peek, VM_TAR_HEAD, err) == -1)
		return -1;
	if (vm_tar_is(peek.head.data, peek.head.len))
		return build_bundle(store, &input, options, intake, err);
	input.is_plain = vm_unpack_is_plain(&unpack);
	disk = vm_intake_begin(store, intake, 0, NULL, err);
	if (disk == NULL)
		return -1;
	return vm_master_build(&disk->publish, &input, options, &disk->master,
	    err);
}

/*
 * Data that nobody can use and that is not what was asked for either: the
 * latter is the better thing to say.
 */
static void
prefer_mismatch(struct vm_stream *stream, struct vm_error *failure)
{
	struct vm_stream_result result;
	struct vm_error other = { 0 };

	if (failure->kind == VM_E_DATA && vm_stream_is_pinned(stream) &&
	    vm_stream_finish(stream, &result, &other) == -1 &&
	    strcmp(other.code, "digest_mismatch") == 0)
		*failure = other;
}

/* An answer without a body is no damaged file when nothing has changed. */
static bool
is_not_modified(struct vm_stream *stream, struct vm_stream_result *result)
{
	struct vm_error ignored = { 0 };

	return vm_stream_position(stream) == 0 &&
	    vm_stream_finish(stream, result, &ignored) == 0 &&
	    result->reply.not_modified;
}

int
vm_intake_build(struct vm_store *store, struct vm_stream *stream,
    const struct vm_master_options *options, struct vm_intake *intake,
    struct vm_error *err)
{
	struct vm_error failure = { 0 };

	if (build(store, stream, options, intake, &failure) == 0)
		return vm_stream_finish(stream, &intake->stream, err);
	if (is_not_modified(stream, &intake->stream))
		return 0;
	prefer_mismatch(stream, &failure);
	if (err != NULL)
		*err = failure;
	return -1;
}
