#include "lib/disk/qcow2_read.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/proc.h"
#include "lib/disk/order.h"
#include "lib/disk/qcow2_map.h"

/* Enough for the header and what extensions a whole file has. */
#define HEAD ((uint64_t)64 << 10)

struct vm_qcow2_read {
	int to;
	uint64_t max_virtual_bytes;
	struct vm_qcow2_map map;  /* set by the first worker ... */
	struct vm_chunks digests; /* ... and one's own for each chunk */
	pthread_t workers[VM_CHUNK_WORKERS_MAX];
	size_t worker_count;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t changed;
	uint64_t arrived, allowed, made; /* bytes */
	struct vm_order order;		 /* chunks to be made */
	bool mapped;			 /* map and order are there */
	bool ended, stopped;
	struct vm_error error;
};

static void
stop(struct vm_qcow2_read *r, const struct vm_error *error)
{
	pthread_mutex_lock(&r->mutex);
	if (error != NULL && !vm_error_is_set(&r->error))
		r->error = *error;
	r->stopped = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->mutex);
}

/* -1 with the failure, or 0 when there is none. */
static int
report(struct vm_qcow2_read *r, struct vm_error *err)
{
	int result = 0;

	pthread_mutex_lock(&r->mutex);
	if (vm_error_is_set(&r->error)) {
		result = -1;
		if (err != NULL)
			*err = r->error;
	}
	pthread_mutex_unlock(&r->mutex);
	return result;
}

/* --- the workers --------------------------------------------------------- */

/* Wait for so many bytes, or the end; how many are there: 0 when stopped. */
static uint64_t
wait_for(struct vm_qcow2_read *r, uint64_t bytes)
{
	uint64_t there;

	pthread_mutex_lock(&r->mutex);
	while (!r->stopped && !r->ended && r->arrived < bytes)
		pthread_cond_wait(&r->changed, &r->mutex);
	there = r->stopped ? 0 : r->arrived;
	pthread_mutex_unlock(&r->mutex);
	return there;
}

/* Take a chunk whose bytes are there; false at the end. */
static bool
take(struct vm_qcow2_read *r, uint64_t *chunk)
{
	bool taken = false;

	pthread_mutex_lock(&r->mutex);
	while (!r->stopped && !taken) {
		if (r->mapped && r->ended && r->order.count == 0)
			break;
		taken = vm_order_pop(&r->order,
		    r->ended ? UINT64_MAX : r->arrived, chunk);
		if (!taken)
			pthread_cond_wait(&r->changed, &r->mutex);
	}
	pthread_mutex_unlock(&r->mutex);
	return taken;
}

/*
 * May the chunk be made now?  1; 0: it waits in the heap for its bytes; -1.
 * It waits here until so much may be made.
 */
static int
admit(struct vm_qcow2_read *r, const struct vm_qcow2_chunk *chunk,
    struct vm_error *err)
{
	int result;

	pthread_mutex_lock(&r->mutex);
	if (!r->ended && r->arrived < chunk->needs) {
		result = vm_order_push(&r->order, chunk->needs, chunk->number,
		    err);
	} else {
		while (!r->stopped && !r->ended &&
		    r->made + chunk->holds > r->allowed)
			pthread_cond_wait(&r->changed, &r->mutex);
		r->made += chunk->holds;
		result = r->stopped ? 0 : 1;
	}
	pthread_mutex_unlock(&r->mutex);
	return result;
}

static int
make_chunk(struct vm_qcow2_read *r, struct vm_qcow2_chunk *chunk,
    struct vm_hash *hash, struct vm_error *err)
{
	char **hex = &r->digests.hex[chunk->number];

	if (vm_proc_check_stop(err) == -1 ||
	    vm_qcow2_chunk_read(chunk, err) == -1 ||
	    vm_chunks_digest(hash, chunk->data, chunk->len, hex, err) == -1)
		return -1;
	if (*hex == NULL)
		return 0;
	return vm_chunks_write(r->to, chunk->number, chunk->data, chunk->len,
	    err);
}

static int
make_chunks(struct vm_qcow2_read *r, struct vm_error *err)
{
	struct vm_qcow2_chunk *chunk VM_CLEAN_QCOW2_CHUNK = NULL;
	struct vm_hash *hash VM_CLEAN_HASH = vm_hash_new(VM_HASH_SHA256, err);
	uint64_t number;

	if (hash == NULL)
		return -1;
	while (take(r, &number)) {
		int now;

		if (chunk == NULL)
			chunk = vm_qcow2_chunk_new(&r->map, err);
		if (chunk == NULL ||
		    vm_qcow2_chunk_find(chunk, number, err) == -1)
			return -1;
		now = chunk->holds == 0 ? 0 : admit(r, chunk, err);
		if (now == -1 ||
		    (now == 1 && make_chunk(r, chunk, hash, err) == -1))
			return -1;
	}
	return 0;
}

/* The header, the L1 table, and every chunk that may hold something. */
static int
map(struct vm_qcow2_read *r, struct vm_error *err)
{
	struct vm_qcow2_map *map = &r->map;
	struct vm_qcow2_header *header = &map->header;
	uint64_t there = wait_for(r, HEAD), chunks;
	int result = 0;

	if (vm_qcow2_header_read(map->fd, there, r->max_virtual_bytes, 0,
		header, err) == -1)
		return -1;
	(void)wait_for(r, vm_qcow2_map_needs(header));
	chunks = vm_chunks_of(header->virtual_size);
	if (ftruncate(r->to, (off_t)header->virtual_size) == -1)
		return vm_error_errno(err, errno, "set the master's size");
	if (vm_qcow2_map_load(map, err) == -1 ||
	    vm_chunks_grow(&r->digests, chunks, err) == -1)
		return -1;
	pthread_mutex_lock(&r->mutex);
	for (uint64_t i = 0; i < chunks && result == 0; i++) {
		uint64_t needs = vm_qcow2_map_chunk_needs(map, i);

		if (needs != 0)
			result = vm_order_push(&r->order, needs, i, err);
	}
	r->mapped = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->mutex);
	return result;
}

static void *
work(void *arg)
{
	struct vm_qcow2_read *r = arg;
	struct vm_error err = { 0 };

	if (make_chunks(r, &err) == -1)
		stop(r, &err);
	return NULL;
}

static void *
map_and_work(void *arg)
{
	struct vm_qcow2_read *r = arg;
	struct vm_error err = { 0 };

	if (map(r, &err) == -1)
		stop(r, &err);
	return work(r);
}

/* --- the caller ---------------------------------------------------------- */

static int
start(struct vm_qcow2_read *r, struct vm_error *err)
{
	for (size_t i = 0; i < vm_chunks_workers(); i++) {
		int error = pthread_create(&r->workers[i], NULL,
		    i == 0 ? map_and_work : work, r);

		if (error != 0)
			return vm_error_errno(err, error, "start a thread");
		r->worker_count++;
	}
	return 0;
}

struct vm_qcow2_read *
vm_qcow2_read_open(int from, int to, uint64_t max_virtual_bytes,
    struct vm_error *err)
{
	struct vm_qcow2_read *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	r->to = to;
	r->map.fd = from;
	r->max_virtual_bytes = max_virtual_bytes;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->changed, NULL);
	if (start(r, err) == -1) {
		vm_qcow2_read_clean(&r);
		return NULL;
	}
	return r;
}

static int
advance(struct vm_qcow2_read *r, uint64_t arrived, uint64_t allowed, bool end,
    struct vm_error *err)
{
	pthread_mutex_lock(&r->mutex);
	r->arrived = arrived;
	r->allowed = allowed;
	r->ended = end;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->mutex);
	return report(r, err);
}

int
vm_qcow2_read_advance(struct vm_qcow2_read *r, uint64_t arrived,
    uint64_t allowed, struct vm_error *err)
{
	return advance(r, arrived, allowed, false, err);
}

static void
join_workers(struct vm_qcow2_read *r)
{
	while (r->worker_count > 0)
		pthread_join(r->workers[--r->worker_count], NULL);
}

int
vm_qcow2_read_finish(struct vm_qcow2_read *r, struct vm_buf *chunks,
    struct vm_error *err)
{
	if (advance(r, r->arrived, UINT64_MAX, true, err) == -1)
		return -1;
	join_workers(r);
	if (report(r, err) == -1)
		return -1;
	return vm_chunks_format(&r->digests, r->map.header.virtual_size, chunks,
	    err);
}

void
vm_qcow2_read_clean(struct vm_qcow2_read **owned)
{
	struct vm_qcow2_read *r = *owned;

	if (r == NULL)
		return;
	stop(r, NULL);
	join_workers(r);
	vm_qcow2_map_release(&r->map);
	vm_chunks_release(&r->digests);
	vm_order_release(&r->order);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}
