#include "lib/image/master.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/disk/inspect.h"
#include "lib/disk/raw.h"
#include "lib/image/unpack.h"
#include "lib/qemu/img.h"
#include "lib/store/store.h"

#define DISK "disk.raw" /* until the id is known */
#define DOWNLOAD "download.qcow2"
#define RATIO_FREE ((uint64_t)1 << 30) /* bytes that any file may become */
#define RATIO_MAX 1000		       /* beyond: times its size */

struct build {
	struct vm_publish *publish;
	struct vm_stream *stream;
	const struct vm_master_options *options;
	struct vm_unpack unpack;
	uint64_t unpacked;  /* bytes so far */
	struct vm_buf head; /* the first of them */
	struct vm_buf chunks;
	struct vm_inspect inspect;
	int disk; /* DISK, open; -1: not yet */
};

static void
release(struct build *b)
{
	vm_unpack_release(&b->unpack);
	vm_buf_release(&b->head);
	vm_buf_release(&b->chunks);
	vm_clean_fd(&b->disk);
}

/* Is what comes out still in proportion to what went in? */
static int
check_ratio(const struct build *b, uint64_t bytes, struct vm_error *err)
{
	uint64_t in = vm_stream_position(b->stream);

	if (bytes > b->options->max_virtual_bytes)
		return vm_error_set(err, VM_E_DATA, "virtual_size",
		    "it unpacks to more than %llu bytes",
		    (unsigned long long)b->options->max_virtual_bytes);
	if (b->options->any_ratio || bytes <= RATIO_FREE ||
	    bytes / RATIO_MAX <= in)
		return 0;
	vm_error_set(err, VM_E_DATA, "bomb",
	    "%llu bytes unpack to more than %d times as many",
	    (unsigned long long)in, RATIO_MAX);
	return vm_error_hint(err, "vmfetch --max-size SIZE, if that is right");
}

static int
pull(struct build *b, const void **data, size_t *len, struct vm_error *err)
{
	if (vm_unpack_read(&b->unpack, data, len, err) == -1)
		return -1;
	b->unpacked += *len;
	return check_ratio(b, b->unpacked, err);
}

/* Gather enough of the beginning to see what it is. */
static int
read_head(struct build *b, enum vm_disk_format *format, struct vm_error *err)
{
	const char *want = b->options->format;
	const void *data;
	size_t len = 1;

	while (b->head.len < VM_INSPECT_HEAD && len > 0)
		if (pull(b, &data, &len, err) == -1 ||
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
finish_stream(struct build *b, struct vm_master *master, struct vm_error *err)
{
	return vm_stream_finish(b->stream, &master->stream, err);
}

/* --- raw ----------------------------------------------------------------- */

static int
write_raw(struct build *b, struct vm_master *master, struct vm_error *err)
{
	struct vm_raw *raw VM_CLEAN_RAW = vm_raw_open(b->disk, err);
	const void *data = b->head.data;
	size_t len = b->head.len;
	uint64_t size;

	if (raw == NULL)
		return -1;
	while (len > 0)
		if (vm_raw_add(raw, data, len, err) == -1 ||
		    pull(b, &data, &len, err) == -1)
			return -1;
	if (vm_raw_finish(raw, &size, &b->chunks, err) == -1 ||
	    finish_stream(b, master, err) == -1)
		return -1;
	return vm_inspect_file(b->disk, b->options->max_virtual_bytes,
	    &b->inspect, err);
}

/* --- qcow2 --------------------------------------------------------------- */

static int
save_download(struct build *b, int fd, struct vm_error *err)
{
	const void *data = b->head.data;
	size_t len = b->head.len;

	while (len > 0)
		if (vm_fd_write(fd, data, len, "the store", err) == -1 ||
		    pull(b, &data, &len, err) == -1)
			return -1;
	return 0;
}

static int
check_space(const struct build *b, struct vm_error *err)
{
	uint64_t have, need = b->inspect.allocated;

	if (check_ratio(b, need, err) == -1 ||
	    vm_store_free_space(b->publish->store, &have, err) == -1)
		return -1;
	if (need <= have)
		return 0;
	return vm_error_set(err, VM_E_IO, "no_space",
	    "unpacked it takes %llu bytes, the store's file system has %llu "
	    "free",
	    (unsigned long long)need, (unsigned long long)have);
}

static int
convert(struct build *b, struct vm_error *err)
{
	const struct vm_img_convert work = {
		.dir_fd = b->publish->dir_fd,
		.from = DOWNLOAD,
		.to = DISK,
		.virtual_size = b->inspect.virtual_size,
	};

	if (ftruncate(b->disk, (off_t)b->inspect.virtual_size) == -1)
		return vm_error_errno(err, errno, "set the master's size");
	if (vm_img_convert_raw(&work, err) == -1)
		return -1;
	return vm_raw_scan(b->disk, b->inspect.virtual_size, &b->chunks, err);
}

static int
write_qcow2(struct build *b, struct vm_master *master, struct vm_error *err)
{
	int fd VM_CLEAN_FD = vm_publish_create(b->publish, DOWNLOAD, err);

	if (fd == -1 || save_download(b, fd, err) == -1 ||
	    finish_stream(b, master, err) == -1)
		return -1;
	if (vm_inspect_file(fd, b->options->max_virtual_bytes, &b->inspect,
		err) == -1 ||
	    check_space(b, err) == -1 || convert(b, err) == -1)
		return -1;
	if (unlinkat(b->publish->dir_fd, DOWNLOAD, 0) == -1)
		return vm_error_errno(err, errno, "remove the download");
	return 0;
}

/* --- both ---------------------------------------------------------------- */

/* Under its final name, sealed, with the chunks beside it. */
static int
seal(struct build *b, const char *id, struct vm_error *err)
{
	struct vm_publish *publish = b->publish;
	char name[VM_HASH_MAX_HEX + 8];

	snprintf(name, sizeof(name), "%s.raw", id);
	if (vm_publish_link(publish, publish->dir_fd, DISK, name, err) == -1)
		return -1;
	if (unlinkat(publish->dir_fd, DISK, 0) == -1)
		return vm_error_errno(err, errno, "rename the master");
	if (vm_publish_seal(publish, b->disk, 0444, err) == -1)
		return -1;
	return vm_publish_write(publish, "chunks", 0444, b->chunks.data,
	    b->chunks.len, err);
}

static int
build(struct build *b, struct vm_master *master, struct vm_error *err)
{
	enum vm_disk_format format;

	if (vm_unpack_open(&b->unpack, b->stream, err) == -1 ||
	    read_head(b, &format, err) == -1)
		return -1;
	b->disk = vm_publish_create(b->publish, DISK, err);
	if (b->disk == -1)
		return -1;
	return format == VM_DISK_RAW ? write_raw(b, master, err) :
				       write_qcow2(b, master, err);
}

/*
 * Data that nobody can use and that is not what was asked for either: the
 * latter is the better thing to say.
 */
static void
prefer_mismatch(struct build *b, struct vm_error *failure)
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
is_not_modified(struct build *b, struct vm_master *master)
{
	struct vm_error ignored = { 0 };

	return vm_stream_position(b->stream) == 0 &&
	    finish_stream(b, master, &ignored) == 0 &&
	    master->stream.reply.not_modified;
}

int
vm_master_build(struct vm_publish *publish, struct vm_stream *stream,
    const struct vm_master_options *options, struct vm_master *master,
    struct vm_error *err)
{
	struct build b VM_CLEAN(release) = { .publish = publish,
		.stream = stream,
		.options = options,
		.disk = -1 };
	struct vm_master made = { 0 };
	struct vm_error failure = { 0 };

	if (build(&b, &made, &failure) == -1) {
		if (is_not_modified(&b, &made)) {
			*master = made;
			return 0;
		}
		prefer_mismatch(&b, &failure);
		if (err != NULL)
			*err = failure;
		return -1;
	}
	if (seal(&b, made.stream.sha256, err) == -1)
		return -1;
	made.format = vm_inspect_format_name(b.inspect.format);
	made.virtual_size = b.inspect.virtual_size;
	*master = made;
	return 0;
}
