#include "lib/source/download.h"

#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/source/ranges.h"

#define BLOCK ((size_t)256 << 10) /* divides VM_PART_STEP */
#define USUAL 4			  /* connections, where mirrors are given */

struct run {
	const struct vm_download *download;
	const struct vm_http_sink *sink;
	uint64_t prefix;   /* bytes from the part */
	uint64_t position; /* bytes given to the sink */
	uint64_t length;   /* of the file; 0: not known yet */
	int url;	   /* that is asked (mirror.h) */
	bool begun, sink_failed;
	unsigned connections;	    /* that the rest is worth */
	bool divided;		    /* all is known that ranges.h needs */
	struct vm_http_reply reply; /* the first one */
	struct vm_rate rate;
};

static bool
is_pinned(const struct vm_download *d)
{
	return d->source->digest[0] != '\0';
}

/* It is not the server's fault. */
static int
fail_sink(struct run *run)
{
	run->sink_failed = true;
	return -1;
}

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

/* Is the rest worth several connections, and safe to have by them? */
static bool
is_divisible(const struct run *run)
{
	const struct vm_http_reply *reply = &run->reply;
	enum vm_source_kind kind = run->download->source->kind;

	return run->connections > 1 &&
	    (kind == VM_SOURCE_HTTP || kind == VM_SOURCE_S3) &&
	    !reply->not_modified && reply->length != VM_HTTP_UNKNOWN &&
	    reply->length - run->position >= 2 * VM_RANGES_PIECE &&
	    (is_pinned(run->download) || reply->etag[0] == '"');
}

static int
on_begin(void *context, const struct vm_http_reply *reply, struct vm_error *err)
{
	struct run *run = context;
	const struct vm_download *d = run->download;
	struct vm_http_reply kept = *reply;

	if (run->begun)
		return 0;
	run->begun = true;
	run->length = reply->length;
	if (run->prefix == 0 &&
	    run->sink->begin(run->sink->context, reply, err) == -1)
		return fail_sink(run);
	if (d->source->mirror_count > 0)
		kept.etag[0] = '\0'; /* each has its own: the digest tells */
	if (d->part != NULL && !reply->not_modified)
		vm_part_begin(d->part, &kept, is_pinned(d), d->free_bytes);
	run->reply = *reply;
	run->divided = is_divisible(run);
	if (run->divided)
		return vm_error_set(err, VM_E_UNAVAILABLE, "divided",
		    "asked for in parts");
	return 0;
}

/* The next bytes of it. */
static int
deliver(void *context, const void *data, size_t len, struct vm_error *err)
{
	struct run *run = context;

	run->position += len;
	if (run->sink->data(run->sink->context, data, len, err) == -1)
		return fail_sink(run);
	return 0;
}

static int
on_data(void *context, const void *data, size_t len, struct vm_error *err)
{
	struct run *run = context;

	vm_rate_keep(&run->rate, len, run->download->stop);
	run->download->mirrors->given |= (uint32_t)1 << run->url;
	return deliver(run, data, len, err);
}

/* --- from one after the other -------------------------------------------- */

/* Ask run->url for what is missing; `last`: there is no other one left. */
static int
ask(struct run *run, bool last, struct vm_http_reply *reply,
    struct vm_error *err)
{
	const struct vm_download *d = run->download;
	const struct vm_http_sink own = { on_begin, on_data, run };
	const bool several = d->source->mirror_count > 0;
	const struct vm_http_request request = {
		.access = &d->reach->access,
		.stall_ms = d->reach->stall_ms,
		.min_rate = last || d->reach->max_rate != 0 ? 0 :
							      VM_DOWNLOAD_SLOW,
		.tries = last ? 0 : 2,
		.etag = d->etag,
		.modified = d->modified,
		.pinned = is_pinned(d),
		.offset = run->position,
		.length = run->length,
		.if_range = run->position > 0 && !several ?
		    vm_part_etag(d->part) :
		    NULL,
		.stop = d->stop,
	};

	return vm_mirrors_get(d->mirrors, run->url, &request, &own, reply, err);
}

/* May another one do better? */
static bool
is_of_server(const struct run *run, const struct vm_error *failure)
{
	return !run->sink_failed && vm_proc_stopped() == 0 &&
	    (failure->kind == VM_E_UNAVAILABLE ||
		failure->kind == VM_E_NO_INPUT ||
		failure->kind == VM_E_DENIED || failure->kind == VM_E_PROTOCOL);
}

static int
ask_all(struct run *run, struct vm_http_reply *reply, struct vm_error *err)
{
	const struct vm_mirrors *mirrors = run->download->mirrors;
	struct vm_error failure = { 0 };
	int next;

	run->url = vm_mirrors_next(mirrors, -1);
	for (;; run->url = next) {
		next = vm_mirrors_next(mirrors, run->url);
		if (ask(run, next == -1, reply, &failure) == 0)
			return 0;
		if (next == -1 || run->divided || !is_of_server(run, &failure))
			break;
		vm_log(VM_LOG_WARN, "%s; going on with %s", failure.message,
		    vm_mirrors_shown(mirrors, next));
		vm_error_clear(&failure);
		if (run->length == VM_HTTP_UNKNOWN)
			run->length = 0;
	}
	if (err != NULL)
		*err = failure;
	return -1;
}

/* Over several connections: false when that did not bring a byte. */
static bool
ask_divided(struct run *run, int *result, struct vm_error *err)
{
	const struct vm_download *d = run->download;
	const bool one = d->source->mirror_count == 0;
	const uint64_t from = run->position;
	const struct vm_ranges ranges = {
		.download = d,
		.from = from,
		.length = run->length,
		.if_range = one && run->reply.etag[0] == '"' ? run->reply.etag :
							       NULL,
		.connections = run->connections,
		.rate = &run->rate,
		.deliver = deliver,
		.context = run,
	};

	vm_log(VM_LOG_INFO, "%s: over %u connections", d->source->shown,
	    run->connections);
	*result = vm_ranges_run(&ranges, err);
	return *result == 0 || run->position > from ||
	    !is_of_server(run, err) || atomic_load(d->stop);
}

/* The first reply says how the rest is asked for. */
static int
ask_rest(struct run *run, struct vm_http_reply *reply, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	int result = ask_all(run, reply, &failure);

	if (result == -1 && run->divided) {
		vm_error_clear(&failure);
		if (ask_divided(run, &result, &failure)) {
			*reply = run->reply;
		} else {
			vm_log(VM_LOG_INFO, "%s; asking for it as a whole",
			    failure.message);
			vm_error_clear(&failure);
			run->divided = false;
			result = ask_all(run, reply, &failure);
		}
	}
	if (result == -1 && err != NULL)
		*err = failure;
	return result;
}

/* As asked for; else one to each of them, but not too many. */
static unsigned
count_connections(const struct vm_download *d)
{
	unsigned urls = vm_mirrors_count(d->mirrors);

	if (d->reach->parallel != 0)
		return d->reach->parallel;
	return urls < USUAL ? urls : USUAL;
}

int
vm_download_run(const struct vm_download *d, const struct vm_http_sink *sink,
    struct vm_http_reply *reply, struct vm_error *err)
{
	struct run run = {
		.download = d,
		.sink = sink,
		.connections = count_connections(d),
	};

	vm_rate_start(&run.rate, d->reach->max_rate);
	if (d->part != NULL && vm_part_prefix(d->part) > 0) {
		run.position = run.prefix = vm_part_prefix(d->part);
		run.length = vm_part_length(d->part);
		if (feed_prefix(&run, err) == -1)
			return -1;
	}
	return ask_rest(&run, reply, err);
}
