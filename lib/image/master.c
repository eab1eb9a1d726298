#include "lib/image/master.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/disk/raw.h"
#include "lib/image/build.h"
#include "lib/image/spool.h"

/* Gather enough of the beginning to see what it is. */
static int
read_head(struct vm_build *b, enum vm_disk_format *format, struct vm_error *err)
{
	const char *want = b->options->format;
	const void *data;
	size_t len = 1;

	while (b->head.len < VM_INSPECT_HEAD && len > 0)
		if (vm_build_pull(b, &data, &len, err) == -1 ||
		    vm_buf_add(&b->head, data, len, err) == -1)
			return -1;
	if (vm_inspect_head(b->head.data, b->head.len, format, err) == -1)
		return -1;
	if (want != NULL && strcmp(want, vm_inspect_format_name(*format)) != 0)
		return vm_error_set(err, VM_E_DATA, "format_mismatch",
		    "by its name it is %s, by its contents %s", want,
		    vm_inspect_format_name(*format));
	return 0;
}

static int
write_raw(struct vm_build *b, struct vm_error *err)
{
	struct vm_raw *raw VM_CLEAN_RAW = vm_raw_open(b->disk, err);
	const void *data = b->head.data;
	size_t len = b->head.len;
	uint64_t size;

	if (raw == NULL)
		return -1;
	while (len > 0)
		if (vm_raw_add(raw, data, len, err) == -1 ||
		    vm_build_pull(b, &data, &len, err) == -1)
			return -1;
	if (vm_raw_finish(raw, &size, &b->chunks, err) == -1 ||
	    vm_build_end(b, err) == -1)
		return -1;
	return vm_inspect_file(b->disk, b->options->max_virtual_bytes,
	    &b->inspect, err);
}

/* Under its final name, sealed, with the chunks beside it. */
static int
seal(struct vm_build *b, const char *id, struct vm_error *err)
{
	struct vm_publish *publish = b->publish;
	char name[VM_HASH_MAX_HEX + 8];

	snprintf(name, sizeof(name), "%s.raw", id);
	if (vm_publish_link(publish, publish->dir_fd, VM_BUILD_DISK, name,
		err) == -1)
		return -1;
	if (unlinkat(publish->dir_fd, VM_BUILD_DISK, 0) == -1)
		return vm_error_errno(err, errno, "rename the master");
	if (vm_publish_seal(publish, b->disk, 0444, err) == -1)
		return -1;
	return vm_publish_write(publish, "chunks", 0444, b->chunks.data,
	    b->chunks.len, err);
}

static int
build(struct vm_build *b, struct vm_error *err)
{
	enum vm_disk_format format;

	if (vm_unpack_open(&b->unpack, b->stream, err) == -1 ||
	    read_head(b, &format, err) == -1)
		return -1;
	b->disk = vm_publish_create(b->publish, VM_BUILD_DISK, err);
	if (b->disk == -1)
		return -1;
	return format == VM_DISK_RAW ? write_raw(b, err) :
				       vm_spool_convert(b, "qcow2", err);
}

/*
 * Data that nobody can use and that is not what was asked for either: the
 * latter is the better thing to say.
 */
static void
prefer_mismatch(struct vm_build *b, struct vm_error *failure)
{
	struct vm_stream_result result;
	struct vm_error other = { 0 };

	if (failure->kind == VM_E_DATA && vm_stream_is_pinned(b->stream) &&
	    vm_stream_finish(b->stream, &result, &other) == -1 &&
	    strcmp(other.code, "digest_mismatch") == 0)
		*failure = other;
}

/* An answer without a body is no damaged file when nothing has changed. */
static bool
is_not_modified(struct vm_build *b)
{
	struct vm_error ignored = { 0 };

	return vm_stream_position(b->stream) == 0 &&
	    vm_build_end(b, &ignored) == 0 && b->ended.reply.not_modified;
}

int
vm_master_build(struct vm_publish *publish, struct vm_stream *stream,
    const struct vm_master_options *options, struct vm_master *master,
    struct vm_error *err)
{
	struct vm_build b VM_CLEAN_BUILD = { .publish = publish,
		.stream = stream,
		.options = options,
		.disk = -1 };
	struct vm_error failure = { 0 };

	if (build(&b, &failure) == -1) {
		if (is_not_modified(&b)) {
			*master = (struct vm_master){ .stream = b.ended };
			return 0;
		}
		prefer_mismatch(&b, &failure);
		if (err != NULL)
			*err = failure;
		return -1;
	}
	if (seal(&b, b.ended.sha256, err) == -1)
		return -1;
	*master = (struct vm_master){
		.stream = b.ended,
		.format = vm_inspect_format_name(b.inspect.format),
		.virtual_size = b.inspect.virtual_size,
	};
	return 0;
}
