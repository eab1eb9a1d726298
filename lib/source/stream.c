#include "lib/source/stream.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/proc.h"
#include "lib/base/queue.h"
#include "lib/source/download.h"

#define BLOCK ((size_t)512 << 10)
#define BLOCKS 16
#define POLL_MS 200

struct block {
	size_t len;
	unsigned char data[BLOCK];
};

struct vm_stream {
	struct vm_stream_options options;
	int fd; /* of a file or stdin; -1: http */
	struct stat before;
	struct vm_queue free, arrived, hashed; /* blocks */
	struct block *blocks[BLOCKS];
	struct block *filling; /* the reading thread's */
	struct block *given;   /* the caller's */
	uint64_t position;
	pthread_t reader, hasher;
	bool reading, hashing; /* the threads exist */
	bool ended;	       /* the caller has seen the end */
	bool digested;	       /* result is complete */
	atomic_bool stop;
	struct vm_hash *sha256, *sha512;
	struct vm_stream_result result;
	uint64_t total;	       /* VM_HTTP_UNKNOWN or bytes */
	pthread_mutex_t mutex; /* guards error */
	struct vm_error error;
};

static void
stop(struct vm_stream *s)
{
	atomic_store(&s->stop, true);
	vm_queue_stop(&s->free);
	vm_queue_stop(&s->arrived);
	vm_queue_stop(&s->hashed);
}

static void
fail(struct vm_stream *s, const struct vm_error *error)
{
	pthread_mutex_lock(&s->mutex);
	if (!vm_error_is_set(&s->error))
		s->error = *error;
	pthread_mutex_unlock(&s->mutex);
	stop(s);
}

/* -1 with the failure, or 0 when there is none. */
static int
report(struct vm_stream *s, struct vm_error *err)
{
	int result = 0;

	pthread_mutex_lock(&s->mutex);
	if (vm_error_is_set(&s->error)) {
		result = -1;
		if (err != NULL)
			*err = s->error;
	}
	pthread_mutex_unlock(&s->mutex);
	return result;
}

/* --- the reading thread -------------------------------------------------- */

static int
check_length(struct vm_stream *s, uint64_t bytes, struct vm_error *err)
{
	if (bytes > s->options.max_bytes)
		return vm_error_set(err, VM_E_DATA, "too_large",
		    "more than %llu bytes",
		    (unsigned long long)s->options.max_bytes);
	if (bytes > s->options.free_bytes)
		return vm_error_set(err, VM_E_IO, "no_space",
		    "it has %llu bytes, the store's file system %llu free",
		    (unsigned long long)bytes,
		    (unsigned long long)s->options.free_bytes);
	return 0;
}

static int
on_begin(void *context, const struct vm_http_reply *reply, struct vm_error *err)
{
	struct vm_stream *s = context;

	s->total = reply->length;
	if (reply->length == VM_HTTP_UNKNOWN)
		return 0;
	return check_length(s, reply->length, err);
}

static int
stopped(struct vm_error *err)
{
	return vm_error_set(err, VM_E_UNAVAILABLE, "stopped", "stopped");
}

static int
pass_on(struct vm_stream *s, struct vm_error *err)
{
	struct block *block = VM_TAKE(s->filling);

	if (block == NULL)
		return 0;
	if (vm_part_write(s->options.part, block->data, block->len, err) == -1)
		return -1;
	return vm_queue_put(&s->arrived, block) ? 0 : stopped(err);
}

static int
on_data(void *context, const void *data, size_t len, struct vm_error *err)
{
	struct vm_stream *s = context;
	const unsigned char *from = data;

	s->result.size_bytes += len;
	if (check_length(s, s->result.size_bytes, err) == -1)
		return -1;
	while (len > 0) {
		struct block *block = s->filling;
		size_t part;

		if (block == NULL) {
			block = s->filling = vm_queue_get(&s->free);
			if (block == NULL)
				return stopped(err);
			block->len = 0;
		}
		part = BLOCK - block->len;
		part = len < part ? len : part;
		memcpy(block->data + block->len, from, part);
		block->len += part;
		from += part;
		len -= part;
		if (block->len == BLOCK && pass_on(s, err) == -1)
			return -1;
	}
	if (s->options.progress != NULL)
		s->options.progress(s->options.context, s->result.size_bytes,
		    s->total);
	return 0;
}

static int
read_http(struct vm_stream *s, struct vm_error *err)
{
	const struct vm_stream_options *options = &s->options;
	const struct vm_download download = {
		.source = options->source,
		.reach = options->reach,
		.free_bytes = options->free_bytes,
		.etag = options->etag,
		.modified = options->modified,
		.part = options->part,
		.mirrors = options->mirrors,
		.stop = &s->stop,
	};
	const struct vm_http_sink sink = {
		.begin = on_begin,
		.data = on_data,
		.context = s,
	};

	return vm_download_run(&download, &sink, &s->result.reply, err);
}

/* Has the file changed while it was read? */
static int
check_unchanged(const struct vm_stream *s, struct vm_error *err)
{
	struct stat now;

	if (fstat(s->fd, &now) == -1)
		return vm_error_errno(err, errno, "look at the file");
	if (!S_ISREG(now.st_mode) ||
	    (now.st_size == s->before.st_size &&
		now.st_mtim.tv_sec == s->before.st_mtim.tv_sec &&
		now.st_mtim.tv_nsec == s->before.st_mtim.tv_nsec))
		return 0;
	return vm_error_set(err, VM_E_TRY_AGAIN, "changed",
	    "it was changed while it was read");
}

/* Wait for input that may never come, so that a stop is noticed. */
static int
wait_for_input(struct vm_stream *s, struct vm_error *err)
{
	struct pollfd poll_fd = { .fd = s->fd, .events = POLLIN };

	while (!atomic_load(&s->stop)) {
		if (vm_proc_check_stop(err) == -1)
			return -1;
		if (poll(&poll_fd, 1, POLL_MS) > 0)
			return 0;
	}
	return stopped(err);
}

static int
read_file(struct vm_stream *s, struct vm_error *err)
{
	unsigned char *data VM_CLEAN_FREE = malloc(BLOCK);
	ssize_t got;

	if (data == NULL)
		return vm_error_nomem(err);
	do {
		if (wait_for_input(s, err) == -1)
			return -1;
		got = read(s->fd, data, BLOCK);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return vm_error_errno(err, errno, "read");
		if (on_data(s, data, (size_t)got, err) == -1)
			return -1;
	} while (got != 0);
	return check_unchanged(s, err);
}

static void *
run_reader(void *arg)
{
	struct vm_stream *s = arg;
	struct vm_error err = { 0 };

	if ((s->fd == -1 ? read_http(s, &err) : read_file(s, &err)) == -1 ||
	    pass_on(s, &err) == -1)
		fail(s, &err);
	else
		vm_queue_end(&s->arrived);
	return NULL;
}

/* --- the hashing thread -------------------------------------------------- */

/* Of the first `position` bytes: what is kept of them is theirs. */
static int
note_part(struct vm_stream *s, uint64_t position, struct vm_error *err)
{
	char hex[VM_HASH_MAX_HEX];

	if (s->options.part == NULL || position % VM_PART_STEP != 0)
		return 0;
	if (vm_hash_peek(s->sha256, hex, err) == -1)
		return -1;
	return vm_part_note(s->options.part, position, hex, err);
}

static int
hash(struct vm_stream *s, const struct block *block, uint64_t position,
    struct vm_error *err)
{
	if (vm_hash_add(s->sha256, block->data, block->len, err) == -1 ||
	    (s->sha512 != NULL &&
		vm_hash_add(s->sha512, block->data, block->len, err) == -1))
		return -1;
	return note_part(s, position, err);
}

static void *
run_hasher(void *arg)
{
	struct vm_stream *s = arg;
	struct vm_error err = { 0 };
	struct block *block;
	uint64_t position = 0;

	while ((block = vm_queue_get(&s->arrived)) != NULL) {
		position += block->len;
		if (hash(s, block, position, &err) == -1) {
			fail(s, &err);
			return NULL;
		}
		if (!vm_queue_put(&s->hashed, block))
			return NULL;
	}
	vm_queue_end(&s->hashed);
	return NULL;
}

/* --- the caller ---------------------------------------------------------- */

static int
open_input(struct vm_stream *s, struct vm_error *err)
{
	const struct vm_source *source = s->options.source;

	s->total = VM_HTTP_UNKNOWN;
	if (vm_source_is_remote(source))
		return 0;
	s->fd = source->kind == VM_SOURCE_STDIN ?
	    dup(STDIN_FILENO) :
	    open(source->location,
		O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (s->fd == -1 || fstat(s->fd, &s->before) == -1)
		return vm_error_errno(err, errno, "open");
	if (source->kind == VM_SOURCE_STDIN)
		return 0;
	if (!S_ISREG(s->before.st_mode))
		return vm_error_set(err, VM_E_DENIED, "not_regular",
		    "not a regular file");
	s->total = (uint64_t)s->before.st_size;
	s->result.mtime_ns = (int64_t)s->before.st_mtim.tv_sec * 1000000000 +
	    s->before.st_mtim.tv_nsec;
	return check_length(s, s->total, err);
}

static int
prepare(struct vm_stream *s, struct vm_error *err)
{
	const struct vm_source *source = s->options.source;

	for (size_t i = 0; i < BLOCKS; i++) {
		s->blocks[i] = malloc(sizeof(struct block));
		if (s->blocks[i] == NULL)
			return vm_error_nomem(err);
		(void)vm_queue_put(&s->free, s->blocks[i]);
	}
	s->sha256 = vm_hash_new(VM_HASH_SHA256, err);
	if (s->sha256 == NULL)
		return -1;
	if (!vm_stream_is_pinned(s) || source->digest_type == VM_HASH_SHA256)
		return 0;
	s->sha512 = vm_hash_new(VM_HASH_SHA512, err);
	return s->sha512 == NULL ? -1 : 0;
}

static int
start(struct vm_stream *s, struct vm_error *err)
{
	int error = pthread_create(&s->reader, NULL, run_reader, s);

	s->reading = error == 0;
	if (error == 0) {
		error = pthread_create(&s->hasher, NULL, run_hasher, s);
		s->hashing = error == 0;
	}
	return error == 0 ? 0 : vm_error_errno(err, error, "start a thread");
}

struct vm_stream *
vm_stream_open(const struct vm_stream_options *options, struct vm_error *err)
{
	struct vm_stream *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	s->options = *options;
	s->fd = -1;
	pthread_mutex_init(&s->mutex, NULL);
	vm_queue_init(&s->free, BLOCKS);
	vm_queue_init(&s->arrived, BLOCKS);
	vm_queue_init(&s->hashed, BLOCKS);
	if (open_input(s, err) == -1 || prepare(s, err) == -1 ||
	    start(s, err) == -1) {
		vm_stream_clean(&s);
		return NULL;
	}
	return s;
}

int
vm_stream_read(void *stream, const void **data, size_t *len,
    struct vm_error *err)
{
	struct vm_stream *s = stream;

	if (s->given != NULL)
		(void)vm_queue_put(&s->free, VM_TAKE(s->given));
	*len = 0;
	s->given = vm_queue_get(&s->hashed);
	if (s->given == NULL) {
		s->ended = true;
		return report(s, err);
	}
	*data = s->given->data;
	*len = s->given->len;
	s->position += *len;
	return 0;
}

uint64_t
vm_stream_position(const struct vm_stream *s)
{
	return s->position;
}

int
vm_stream_lend(struct vm_stream *s)
{
	return s->options.part == NULL ? -1 : vm_part_lend(s->options.part);
}

bool
vm_stream_is_pinned(const struct vm_stream *s)
{
	return s->options.source->digest[0] != '\0';
}

static void
join(struct vm_stream *s)
{
	if (s->reading)
		pthread_join(s->reader, NULL);
	if (s->hashing)
		pthread_join(s->hasher, NULL);
	s->reading = s->hashing = false;
}

static int
digest(struct vm_stream *s, struct vm_error *err)
{
	if (vm_hash_finish(s->sha256, s->result.sha256, err) == -1)
		return -1;
	if (s->sha512 != NULL &&
	    vm_hash_finish(s->sha512, s->result.sha512, err) == -1)
		return -1;
	s->digested = true;
	return 0;
}

static int
check_digest(const struct vm_stream *s, struct vm_error *err)
{
	const struct vm_source *source = s->options.source;
	bool is_512 = source->digest_type == VM_HASH_SHA512;
	const char *name = is_512 ? "sha512" : "sha256";
	const char *got = is_512 ? s->result.sha512 : s->result.sha256;

	if (!vm_stream_is_pinned(s) || strcmp(source->digest, got) == 0)
		return 0;
	vm_error_set(err, VM_E_DATA, "digest_mismatch",
	    "it is not what was asked for: %s is %s, expected %s; do not use "
	    "it: changed on the way, half replaced at its origin, or the "
	    "digest is of another version",
	    name, got, source->digest);
	return vm_error_hint(err, "vmfetch again, with the publisher's digest");
}

int
vm_stream_finish(struct vm_stream *s, struct vm_stream_result *result,
    struct vm_error *err)
{
	const void *data;
	size_t len;

	while (!s->ended)
		if (vm_stream_read(s, &data, &len, err) == -1)
			return -1;
	join(s);
	if (report(s, err) == -1 || (!s->digested && digest(s, err) == -1))
		return -1;
	if (!s->result.reply.not_modified && check_digest(s, err) == -1)
		return -1;
	*result = s->result;
	return 0;
}

void
vm_stream_clean(struct vm_stream **owned)
{
	struct vm_stream *s = *owned;

	if (s == NULL)
		return;
	stop(s);
	join(s);
	for (size_t i = 0; i < BLOCKS; i++)
		free(s->blocks[i]);
	vm_hash_free(s->sha256);
	vm_hash_free(s->sha512);
	vm_queue_release(&s->free);
	vm_queue_release(&s->arrived);
	vm_queue_release(&s->hashed);
	pthread_mutex_destroy(&s->mutex);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}
