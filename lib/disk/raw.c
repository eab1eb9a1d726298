#include "lib/disk/raw.h"

#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "lib/base/queue.h"
#include "lib/disk/chunks.h"

#define CHUNKS (VM_CHUNK_WORKERS_MAX + 2) /* buffers of one writer */

struct chunk {
	uint64_t index;
	size_t len;
	bool written; /* else it is all zeros and data is not set */
	unsigned char data[VM_CHUNK];
};

struct vm_raw {
	int fd;
	uint64_t size_bytes;
	struct vm_queue free, full; /* chunks */
	struct chunk *chunks[CHUNKS];
	struct chunk *current;
	pthread_t workers[VM_CHUNK_WORKERS_MAX];
	size_t worker_count;
	pthread_mutex_t mutex; /* guards what follows */
	struct vm_chunks digests;
	struct vm_error error;
};

static void
fail(struct vm_raw *raw, const struct vm_error *error)
{
	pthread_mutex_lock(&raw->mutex);
	if (!vm_error_is_set(&raw->error))
		raw->error = *error;
	pthread_mutex_unlock(&raw->mutex);
	vm_queue_stop(&raw->full);
	vm_queue_stop(&raw->free);
}

/* Make room for the digest of the chunk that is about to be queued. */
static int
reserve_digest(struct vm_raw *raw, uint64_t index, struct vm_error *err)
{
	int result;

	if (index % 1024 != 0)
		return 0;
	pthread_mutex_lock(&raw->mutex);
	result = vm_chunks_grow(&raw->digests, index + 1024, err);
	pthread_mutex_unlock(&raw->mutex);
	return result;
}

static int
finish_chunk(struct vm_raw *raw, const struct chunk *chunk,
    struct vm_hash *hash, struct vm_error *err)
{
	char *hex;

	if (!chunk->written)
		return 0;
	if (vm_chunks_digest(hash, chunk->data, chunk->len, &hex, err) == -1)
		return -1;
	pthread_mutex_lock(&raw->mutex);
	raw->digests.hex[chunk->index] = hex;
	pthread_mutex_unlock(&raw->mutex);
	return vm_chunks_write(raw->fd, chunk->index, chunk->data, chunk->len,
	    err);
}

static void *
work(void *arg)
{
	struct vm_raw *raw = arg;
	struct vm_error err = { 0 };
	struct vm_hash *hash VM_CLEAN_HASH = vm_hash_new(VM_HASH_SHA256, &err);
	struct chunk *chunk;

	while (hash != NULL && (chunk = vm_queue_get(&raw->full)) != NULL) {
		if (finish_chunk(raw, chunk, hash, &err) == -1)
			break;
		(void)vm_queue_put(&raw->free, chunk);
	}
	if (vm_error_is_set(&err))
		fail(raw, &err);
	return NULL;
}

static int
start(struct vm_raw *raw, struct vm_error *err)
{
	for (size_t i = 0; i < CHUNKS; i++) {
		raw->chunks[i] = malloc(sizeof(struct chunk));
		if (raw->chunks[i] == NULL)
			return vm_error_nomem(err);
		(void)vm_queue_put(&raw->free, raw->chunks[i]);
	}
	for (size_t i = 0; i < vm_chunks_workers(); i++) {
		int error = pthread_create(&raw->workers[i], NULL, work, raw);

		if (error != 0)
			return vm_error_errno(err, error, "start a thread");
		raw->worker_count++;
	}
	return 0;
}

struct vm_raw *
vm_raw_open(int fd, struct vm_error *err)
{
	struct vm_raw *raw = calloc(1, sizeof(*raw));

	if (raw == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	raw->fd = fd;
	pthread_mutex_init(&raw->mutex, NULL);
	vm_queue_init(&raw->free, CHUNKS);
	vm_queue_init(&raw->full, CHUNKS);
	if (start(raw, err) == -1) {
		vm_raw_clean(&raw);
		return NULL;
	}
	return raw;
}

static int
report(struct vm_raw *raw, struct vm_error *err)
{
	pthread_mutex_lock(&raw->mutex);
	if (vm_error_is_set(&raw->error) && err != NULL)
		*err = raw->error;
	pthread_mutex_unlock(&raw->mutex);
	return -1;
}

static int
queue_current(struct vm_raw *raw, struct vm_error *err)
{
	struct chunk *chunk = VM_TAKE(raw->current);

	if (reserve_digest(raw, chunk->index, err) == -1)
		return -1;
	return vm_queue_put(&raw->full, chunk) ? 0 : report(raw, err);
}

/* Zeros are not copied before something else comes: disks are full of them. */
static void
append(struct chunk *chunk, const unsigned char *data, size_t len)
{
	if (chunk->written || !vm_chunks_is_zero(data, len)) {
		if (!chunk->written)
			memset(chunk->data, 0, chunk->len);
		chunk->written = true;
		memcpy(chunk->data + chunk->len, data, len);
	}
	chunk->len += len;
}

int
vm_raw_add(struct vm_raw *raw, const void *data, size_t len,
    struct vm_error *err)
{
	const unsigned char *from = data;

	while (len > 0) {
		struct chunk *chunk = raw->current;
		size_t part;

		if (chunk == NULL) {
			chunk = vm_queue_get(&raw->free);
			if (chunk == NULL)
				return report(raw, err);
			chunk->index = raw->size_bytes / VM_CHUNK;
			chunk->len = 0;
			chunk->written = false;
			raw->current = chunk;
		}
		part = sizeof(chunk->data) - chunk->len;
		part = len < part ? len : part;
		append(chunk, from, part);
		raw->size_bytes += part;
		from += part;
		len -= part;
		if (chunk->len == sizeof(chunk->data) &&
		    queue_current(raw, err) == -1)
			return -1;
	}
	return 0;
}

static void
join_workers(struct vm_raw *raw)
{
	while (raw->worker_count > 0)
		pthread_join(raw->workers[--raw->worker_count], NULL);
}

int
vm_raw_finish(struct vm_raw *raw, uint64_t *size_bytes, struct vm_buf *chunks,
    struct vm_error *err)
{
	if (raw->current != NULL && queue_current(raw, err) == -1)
		return -1;
	vm_queue_end(&raw->full);
	join_workers(raw);
	if (vm_error_is_set(&raw->error))
		return report(raw, err);
	if (ftruncate(raw->fd, (off_t)raw->size_bytes) == -1)
		return vm_error_errno(err, errno, "set the master's size");
	if (vm_chunks_format(&raw->digests, raw->size_bytes, chunks, err) == -1)
		return -1;
	*size_bytes = raw->size_bytes;
	return 0;
}

void
vm_raw_clean(struct vm_raw **owned)
{
	struct vm_raw *raw = *owned;

	if (raw == NULL)
		return;
	vm_queue_stop(&raw->full);
	vm_queue_stop(&raw->free);
	join_workers(raw);
	for (size_t i = 0; i < CHUNKS; i++)
		free(raw->chunks[i]);
	vm_chunks_release(&raw->digests);
	vm_queue_release(&raw->free);
	vm_queue_release(&raw->full);
	pthread_mutex_destroy(&raw->mutex);
	free(raw);
}

/* --- a file that is there ------------------------------------------------ */

struct scan {
	int fd;
	uint64_t size_bytes;
	struct vm_chunks digests;
	pthread_mutex_t mutex; /* guards next and error */
	uint64_t next;	       /* chunk */
	struct vm_error error;
};

/* The next chunk that may hold data; digests.count when there is none. */
static uint64_t
take_next(struct scan *scan)
{
	uint64_t index;
	off_t data;

	pthread_mutex_lock(&scan->mutex);
	data = lseek(scan->fd, (off_t)(scan->next * VM_CHUNK), SEEK_DATA);
	if (data >= 0)
		index = (uint64_t)data / VM_CHUNK;
	else
		index = errno == ENXIO ? scan->digests.count : scan->next;
	if (vm_error_is_set(&scan->error) || index > scan->digests.count)
		index = scan->digests.count;
	scan->next = index + 1;
	pthread_mutex_unlock(&scan->mutex);
	return index;
}

static void *
scan_chunks(void *arg)
{
	struct scan *scan = arg;
	struct vm_error err = { 0 };
	struct vm_hash *hash VM_CLEAN_HASH = vm_hash_new(VM_HASH_SHA256, &err);
	unsigned char *data VM_CLEAN_FREE = malloc(VM_CHUNK);
	uint64_t index;
	size_t got;

	if (data == NULL)
		vm_error_nomem(&err);
	while (data != NULL && !vm_error_is_set(&err) &&
	    (index = take_next(scan)) < scan->digests.count) {
		if (vm_proc_check_stop(&err) == -1 ||
		    vm_fd_pread(scan->fd, data, VM_CHUNK, index * VM_CHUNK,
			&got, "the master", &err) == -1)
			break;
		if (vm_chunks_digest(hash, data, got, &scan->digests.hex[index],
			&err) == -1)
			break;
	}
	if (vm_error_is_set(&err)) {
		pthread_mutex_lock(&scan->mutex);
		scan->error = err;
		pthread_mutex_unlock(&scan->mutex);
	}
	return NULL;
}

static int
run_scan(struct scan *scan, struct vm_error *err)
{
	pthread_t threads[VM_CHUNK_WORKERS_MAX];
	size_t started = 0;

	/* With fewer threads than asked for it is done all the same. */
	while (started + 1 < vm_chunks_workers() &&
	    pthread_create(&threads[started], NULL, scan_chunks, scan) == 0)
		started++;
	scan_chunks(scan);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	if (!vm_error_is_set(&scan->error))
		return 0;
	if (err != NULL)
		*err = scan->error;
	return -1;
}

int
vm_raw_scan(int fd, uint64_t size_bytes, struct vm_buf *chunks,
    struct vm_error *err)
{
	struct scan scan = {
		.fd = fd,
		.size_bytes = size_bytes,
		.digests.count = vm_chunks_of(size_bytes),
		.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
	int result;

	scan.digests.hex = calloc(scan.digests.count + 1,
	    sizeof(*scan.digests.hex));
	if (scan.digests.hex == NULL)
		return vm_error_nomem(err);
	result = run_scan(&scan, err);
	if (result == 0)
		result = vm_chunks_format(&scan.digests, size_bytes, chunks,
		    err);
	vm_chunks_release(&scan.digests);
	pthread_mutex_destroy(&scan.mutex);
	return result;
}
