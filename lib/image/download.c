#include "lib/image/download.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/proc.h"

#define BLOCK ((size_t)256 << 10) /* divides VM_PART_STEP */
#define WAIT_MS 100

struct run {
	const struct vm_download *download;
	const struct vm_http_sink *sink;
	uint64_t prefix;	       /* bytes from the part */
	uint64_t started_ms, received; /* since then, bytes */
};

/* --- from the part ------------------------------------------------------- */

static int
stopped(struct vm_error *err)
{
	return vm_error_set(err, VM_E_UNAVAILABLE, "stopped", "stopped");
}

/* What was kept, before anybody is asked: its sums are checked on the way. */
static int
feed_prefix(const struct run *run, struct vm_error *err)
{
	struct vm_part *part = run->download->part;
	const struct vm_http_sink *sink = run->sink;
	unsigned char *data VM_CLEAN_FREE = malloc(BLOCK);
	const struct vm_http_reply known = { .length = vm_part_length(part) };

	if (data == NULL)
		return vm_error_nomem(err);
	if (sink->begin(sink->context, &known, err) == -1)
		return -1;
	for (uint64_t at = 0; at < run->prefix; at += BLOCK) {
		if (vm_proc_check_stop(err) == -1)
			return -1;
		if (atomic_load(run->download->stop))
			return stopped(err);
		if (vm_part_read(part, at, data, BLOCK, err) == -1 ||
		    sink->data(sink->context, data, BLOCK, err) == -1)
			return -1;
	}
	return 0;
}

/* --- from the server ----------------------------------------------------- */

static int
on_begin(void *context, const struct vm_http_reply *reply, struct vm_error *err)
{
	const struct run *run = context;
	const struct vm_download *d = run->download;

	if (run->prefix == 0 &&
	    run->sink->begin(run->sink->context, reply, err) == -1)
		return -1;
	if (d->part != NULL && !reply->not_modified)
		vm_part_begin(d->part, reply, d->source->digest[0] != '\0',
		    d->free_bytes);
	return 0;
}

/*
 * Wait until so much may have come.  (libcurl's own limit lets 25 MB through
 * before it looks at the clock.)
 */
static void
keep_rate(struct run *run, size_t len)
{
	uint64_t rate = run->download->max_rate, due, passed;

	if (rate == 0)
		return;
	run->received += len;
	due = run->received / rate * 1000 + run->received % rate * 1000 / rate;
	while ((passed = vm_clock_ms() - run->started_ms) < due &&
	    vm_proc_stopped() == 0 && !atomic_load(run->download->stop))
		vm_clock_wait(due - passed < WAIT_MS ? due - passed : WAIT_MS);
}

static int
on_data(void *context, const void *data, size_t len, struct vm_error *err)
{
	struct run *run = context;

	keep_rate(run, len);

	if (run->download->part != NULL)
		vm_part_write(run->download->part, data, len);
	return run->sink->data(run->sink->context, data, len, err);
}

int
vm_download_run(const struct vm_download *d, const struct vm_http_sink *sink,
    struct vm_http_reply *reply, struct vm_error *err)
{
	struct run run = {
		.download = d, .sink = sink, .started_ms = vm_clock_ms()
	};
	const struct vm_http_sink own = { on_begin, on_data, &run };
	struct vm_http_request request = {
		.url = d->source->location,
		.access = d->access,
		.stall_ms = d->stall_ms,
		.etag = d->etag,
		.modified = d->modified,
		.pinned = d->source->digest[0] != '\0',
		.stop = d->stop,
	};

	if (d->part != NULL && vm_part_prefix(d->part) > 0) {
		run.prefix = vm_part_prefix(d->part);
		request.offset = run.prefix;
		request.length = vm_part_length(d->part);
		request.if_range = vm_part_etag(d->part);
		if (feed_prefix(&run, err) == -1)
			return -1;
	}
	return vm_http_get(&request, &own, reply, err);
}
