#include "lib/image/download.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/image/origin.h"

#define BLOCK ((size_t)256 << 10) /* divides VM_PART_STEP */
#define WAIT_MS 100
#define SLOW ((uint64_t)16 << 10) /* bytes a second, while others are left */

struct run {
	const struct vm_download *download;
	const struct vm_http_sink *sink;
	uint64_t prefix;   /* bytes from the part */
	uint64_t position; /* bytes given to the sink */
	uint64_t length;   /* of the file; 0: not known yet */
	int url;	   /* that is asked (mirror.h) */
	bool begun, sink_failed;
	uint64_t started_ms, received; /* since then, bytes */
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
	if (run->download->part != NULL &&
	    vm_part_write(run->download->part, data, len, err) == -1)
		return fail_sink(run);
	run->position += len;
	run->download->mirrors->given |= (uint32_t)1 << run->url;
	if (run->sink->data(run->sink->context, data, len, err) == -1)
		return fail_sink(run);
	return 0;
}

/* --- from one after the other -------------------------------------------- */

/* Credentials are for the source's own server: mirrors get none. */
static struct vm_http_access
open_access(const struct vm_http_access *access)
{
	if (access == NULL)
		return (struct vm_http_access){ 0 };
	return (struct vm_http_access){ .ca_file = access->ca_file,
		.no_private = access->no_private };
}

/* Ask run->url for what is missing; `last`: there is no other one left. */
static int
ask(struct run *run, bool last, struct vm_http_reply *reply,
    struct vm_error *err)
{
	const struct vm_download *d = run->download;
	const struct vm_http_sink own = { on_begin, on_data, run };
	const bool several = d->source->mirror_count > 0;
	const struct vm_http_access open = open_access(d->access);
	const struct vm_http_request request = {
		.url = vm_mirrors_location(d->mirrors, run->url),
		.access = run->url == 0 ? d->access : &open,
		.stall_ms = d->stall_ms,
		.min_rate = last || d->max_rate != 0 ? 0 : SLOW,
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

	return run->url == 0 ?
	    vm_origin_get(d->source, &request, &own, reply, err) :
	    vm_http_get(&request, &own, reply, err);
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
		if (next == -1 || !is_of_server(run, &failure))
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

int
vm_download_run(const struct vm_download *d, const struct vm_http_sink *sink,
    struct vm_http_reply *reply, struct vm_error *err)
{
	struct run run = {
		.download = d, .sink = sink, .started_ms = vm_clock_ms()
	};

	if (d->part != NULL && vm_part_prefix(d->part) > 0) {
		run.position = run.prefix = vm_part_prefix(d->part);
		run.length = vm_part_length(d->part);
		if (feed_prefix(&run, err) == -1)
			return -1;
	}
	return ask_all(&run, reply, err);
}
