#include "lib/source/ranges.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"

#define PIECE VM_RANGES_PIECE
#define SLOTS 12
#define URLS (VM_SOURCE_MIRRORS + 1)
#define LOOK_MS 100
#define GRACE_MS 1000 /* before anybody is called slow */
#define MUCH 2	      /* times faster is worth a new request */

struct worker;

/* A piece that is fetched, or waits for its turn. */
struct slot {
	unsigned char *data;
	uint64_t filled;
	struct worker *owner; /* NULL: complete, or to be taken up */
};

struct server {
	unsigned workers, robbed;
	uint64_t bytes, busy_ms;
	bool dropped;
};

struct worker {
	struct crew *crew;
	struct vm_http_session *session;
	pthread_t thread;
	int url; /* whom it asks (mirror.h) */
	bool retired;
	bool patient;	/* the last one of all was asked */
	uint64_t piece; /* its number */
	uint64_t began_ms, got;
	atomic_bool stop; /* this request */
};

struct crew {
	const struct vm_ranges *ranges;
	pthread_mutex_t mutex; /* guards all that follows */
	pthread_cond_t changed;
	struct slot slots[SLOTS];
	size_t slot_count;
	uint64_t head, next, count; /* pieces: delivered, taken, all */
	struct server servers[URLS];
	struct worker workers[VM_RANGES_MAX];
	size_t worker_count;
	bool stopped;
	struct vm_error error;
};

static struct slot *
get_slot(struct crew *c, uint64_t piece)
{
	return &c->slots[piece % c->slot_count];
}

static uint64_t
get_start(const struct crew *c, uint64_t piece)
{
	return c->ranges->from + piece * PIECE;
}

static uint64_t
get_size(const struct crew *c, uint64_t piece)
{
	uint64_t left = c->ranges->length - get_start(c, piece);

	return left < PIECE ? left : PIECE;
}

static int
fail_stopped(struct vm_error *err)
{
	return vm_error_set(err, VM_E_UNAVAILABLE, "stopped", "stopped");
}

/* End it for all, with this failure, if there is none yet. */
static void
stop_all(struct crew *c, const struct vm_error *failure)
{
	if (failure != NULL && !vm_error_is_set(&c->error))
		c->error = *failure;
	c->stopped = true;
	for (size_t i = 0; i < c->worker_count; i++)
		atomic_store(&c->workers[i].stop, true);
	pthread_cond_broadcast(&c->changed);
}

/* --- servers ------------------------------------------------------------- */

/* The one with the fewest workers that is not dropped; *left: how many. */
static int
choose_server(const struct crew *c, unsigned *left)
{
	const struct vm_mirrors *mirrors = c->ranges->download->mirrors;
	int best = -1;

	*left = 0;
	for (int i = -1; (i = vm_mirrors_next(mirrors, i)) != -1;) {
		if (c->servers[i].dropped)
			continue;
		++*left;
		if (best == -1 ||
		    c->servers[i].workers < c->servers[best].workers)
			best = i;
	}
	return best;
}

/* Not the last one: `why` is the warning, its workers turn to others. */
static void
drop(struct crew *c, int url, const char *why)
{
	vm_log(VM_LOG_WARN, "%s; going on without it", why);
	c->servers[url].dropped = true;
	for (size_t i = 0; i < c->worker_count; i++)
		if (c->workers[i].url == url)
			atomic_store(&c->workers[i].stop, true);
}

/* Its request has failed, and nobody has robbed or stopped it. */
static void
blame(struct worker *w, const struct vm_error *failure)
{
	struct crew *c = w->crew;
	struct server *server = &c->servers[w->url];
	unsigned left;

	choose_server(c, &left);
	if (server->workers > 1) {
		vm_log(VM_LOG_INFO, "%s; going on with fewer connections",
		    failure->message);
		server->workers--;
		w->retired = true;
	} else if (left > 1) {
		drop(c, w->url, failure->message);
	} else if (w->patient) {
		stop_all(c, failure);
	}
}

/* A server that is robbed again and again. */
static void
note_robbed(struct crew *c, int url)
{
	char why[1200];
	unsigned left;

	choose_server(c, &left);
	if (++c->servers[url].robbed < VM_RANGES_ROBBED || left < 2 ||
	    c->servers[url].dropped)
		return;
	snprintf(why, sizeof(why), "%s: much slower than the others",
	    vm_mirrors_shown(c->ranges->download->mirrors, url));
	drop(c, url, why);
}

/* --- work ---------------------------------------------------------------- */

static bool
own(struct worker *w, uint64_t piece)
{
	get_slot(w->crew, piece)->owner = w;
	w->piece = piece;
	w->got = 0;
	w->began_ms = vm_clock_ms();
	return true;
}

/* Would w, by what it has done so far, have the rest much sooner? */
static bool
is_much_faster(const struct worker *w, const struct worker *than,
    uint64_t missing)
{
	const struct server *mine = &w->crew->servers[w->url];
	uint64_t passed = vm_clock_ms() - than->began_ms;

	if (passed < GRACE_MS)
		return false;
	if (than->got == 0)
		return true;
	/* Its time is missing / (got / passed), ours missing / (bytes / ms). */
	return (double)missing * (double)passed >
	    (double)than->got * GRACE_MS &&
	    (double)than->got * (double)mine->busy_ms * MUCH <
	    (double)mine->bytes * (double)passed;
}

static bool
rob(struct worker *w)
{
	struct crew *c = w->crew;

	for (uint64_t i = c->head; i < c->next; i++) {
		struct slot *slot = get_slot(c, i);
		struct worker *owner = slot->owner;

		if (owner == NULL ||
		    !is_much_faster(w, owner, get_size(c, i) - slot->filled))
			continue;
		atomic_store(&owner->stop, true);
		own(w, i);
		if (owner->url != w->url)
			note_robbed(c, owner->url);
		return true;
	}
	return false;
}

/* A piece that was left, a new one, or somebody else's. */
static bool
take(struct worker *w)
{
	struct crew *c = w->crew;

	for (uint64_t i = c->head; i < c->next; i++) {
		struct slot *slot = get_slot(c, i);

		if (slot->owner == NULL && slot->filled < get_size(c, i))
			return own(w, i);
	}
	if (c->next < c->count && c->next < c->head + c->slot_count) {
		get_slot(c, c->next)->filled = 0;
		return own(w, c->next++);
	}
	return rob(w);
}

static int
on_begin(void *w, const struct vm_http_reply *reply, struct vm_error *err)
{
	(void)w, (void)reply, (void)err;
	return 0;
}

static int
on_data(void *context, const void *data, size_t len, struct vm_error *err)
{
	struct worker *w = context;
	struct crew *c = w->crew;
	struct slot *slot = get_slot(c, w->piece);
	bool mine;

	vm_rate_keep(c->ranges->rate, len, &w->stop);
	pthread_mutex_lock(&c->mutex);
	mine = slot->owner == w && len <= get_size(c, w->piece) - slot->filled;
	if (mine) {
		memcpy(slot->data + slot->filled, data, len);
		slot->filled += len;
		w->got += len;
		c->ranges->download->mirrors->given |= (uint32_t)1 << w->url;
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->mutex);
	return mine ? 0 : fail_stopped(err);
}

static int
fetch(struct worker *w, uint64_t filled, struct vm_error *err)
{
	const struct crew *c = w->crew;
	const struct vm_download *d = c->ranges->download;
	const struct vm_http_sink sink = { on_begin, on_data, w };
	const struct vm_http_request request = {
		.access = &d->reach->access,
		.session = w->session,
		.stall_ms = d->reach->stall_ms,
		.min_rate = w->patient || d->reach->max_rate != 0 ?
		    0 :
		    VM_DOWNLOAD_SLOW,
		.tries = w->patient ? 0 : 2,
		.pinned = d->source->digest[0] != '\0',
		.offset = get_start(c, w->piece) + filled,
		.end = get_start(c, w->piece) + get_size(c, w->piece),
		.length = c->ranges->length,
		.if_range = c->ranges->if_range,
		.stop = &w->stop,
	};
	struct vm_http_reply reply;

	return vm_mirrors_get(d->mirrors, w->url, &request, &sink, &reply, err);
}

static void
settle(struct worker *w, const struct vm_error *failure)
{
	struct crew *c = w->crew;
	struct slot *slot = get_slot(c, w->piece);
	struct server *server = &c->servers[w->url];

	server->bytes += w->got;
	server->busy_ms += vm_clock_ms() - w->began_ms;
	if (slot->owner == w) { /* else it was robbed */
		slot->owner = NULL;
		if (vm_error_is_set(failure) && !c->stopped && !server->dropped)
			blame(w, failure);
	}
	pthread_cond_broadcast(&c->changed);
}

/* For at most so long, so that signals and slow ones are seen. */
static void
wait_a_little(struct crew *c)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_cond_clockwait(&c->changed, &c->mutex, CLOCK_MONOTONIC, &until);
}

static void
work(struct worker *w)
{
	struct crew *c = w->crew;
	struct vm_error failure = { 0 };
	uint64_t filled;
	unsigned left;
	int best = choose_server(c, &left);

	if (c->servers[w->url].dropped) {
		c->servers[w->url].workers--;
		w->url = best;
		c->servers[w->url].workers++;
	}
	if (!take(w)) {
		wait_a_little(c);
		return;
	}
	atomic_store(&w->stop, false);
	w->patient = left == 1 && c->servers[w->url].workers == 1;
	filled = get_slot(c, w->piece)->filled;
	pthread_mutex_unlock(&c->mutex);
	if (fetch(w, filled, &failure) == 0)
		vm_error_clear(&failure);
	pthread_mutex_lock(&c->mutex);
	settle(w, &failure);
}

static void *
run_worker(void *arg)
{
	struct worker *w = arg;
	struct crew *c = w->crew;

	pthread_mutex_lock(&c->mutex);
	while (!c->stopped && !w->retired && c->head < c->count)
		work(w);
	pthread_mutex_unlock(&c->mutex);
	return NULL;
}

/* --- the caller ---------------------------------------------------------- */

/* What is there of the first piece beyond `given`; 0: it is all over. */
static uint64_t
wait_for_bytes(struct crew *c, uint64_t given)
{
	const atomic_bool *stop = c->ranges->download->stop;
	struct vm_error error = { 0 };
	uint64_t filled = given;

	pthread_mutex_lock(&c->mutex);
	while (!c->stopped) {
		if (vm_proc_check_stop(&error) == -1 ||
		    (atomic_load(stop) && fail_stopped(&error) == -1))
			stop_all(c, &error);
		if (c->head < c->next &&
		    (filled = get_slot(c, c->head)->filled) > given)
			break;
		wait_a_little(c);
	}
	pthread_mutex_unlock(&c->mutex);
	return filled - given;
}

static int
deliver(struct crew *c, struct vm_error *err)
{
	const struct vm_ranges *ranges = c->ranges;
	uint64_t given = 0;

	while (c->head < c->count) { /* only we change it */
		uint64_t len = wait_for_bytes(c, given);

		if (len == 0) {
			*err = c->error; /* nobody changes it any more */
			return -1;
		}
		/* What is there stays as it is until the piece is done. */
		if (ranges->deliver(ranges->context,
			get_slot(c, c->head)->data + given, len, err) == -1)
			return -1;
		given += len;
		if (given < get_size(c, c->head))
			continue;
		given = 0;
		pthread_mutex_lock(&c->mutex);
		c->head++;
		pthread_cond_broadcast(&c->changed);
		pthread_mutex_unlock(&c->mutex);
	}
	return 0;
}

static int
prepare(struct crew *c, struct vm_error *err)
{
	for (size_t i = 0; i < c->slot_count && i < c->count; i++)
		if ((c->slots[i].data = malloc(PIECE)) == NULL)
			return vm_error_nomem(err);
	for (size_t i = 0; i < c->ranges->connections && i < c->count; i++) {
		struct worker *w = &c->workers[i];
		unsigned left;

		w->crew = c;
		w->url = choose_server(c, &left);
		w->session = vm_http_session_new();
		if (w->session == NULL)
			return vm_error_nomem(err);
		c->servers[w->url].workers++;
		c->worker_count++;
	}
	return 0;
}

/* How many have begun: one will do. */
static size_t
begin(struct crew *c)
{
	size_t begun = 0;

	pthread_mutex_lock(&c->mutex);
	while (begun < c->worker_count &&
	    pthread_create(&c->workers[begun].thread, NULL, run_worker,
		&c->workers[begun]) == 0)
		begun++;
	for (size_t i = begun; i < c->worker_count; i++)
		c->servers[c->workers[i].url].workers--;
	pthread_mutex_unlock(&c->mutex);
	return begun;
}

static void
release(struct crew *c)
{
	for (size_t i = 0; i < SLOTS; i++)
		free(c->slots[i].data);
	for (size_t i = 0; i < VM_RANGES_MAX; i++)
		vm_http_session_clean(&c->workers[i].session);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

int
vm_ranges_run(const struct vm_ranges *ranges, struct vm_error *err)
{
	struct crew *c = calloc(1, sizeof(*c));
	struct vm_error failure = { 0 };
	size_t begun = 0;
	int result;

	if (c == NULL)
		return vm_error_nomem(err);
	c->ranges = ranges;
	c->slot_count = 2 * (size_t)ranges->connections;
	c->slot_count = c->slot_count < SLOTS ? c->slot_count : SLOTS;
	c->count = (ranges->length - ranges->from + PIECE - 1) / PIECE;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->changed, NULL);
	result = prepare(c, &failure);
	if (result == 0 && (begun = begin(c)) == 0)
		result = vm_error_set(&failure, VM_E_SYSTEM, "no_thread",
		    "cannot start a thread");
	if (result == 0)
		result = deliver(c, &failure);
	pthread_mutex_lock(&c->mutex);
	stop_all(c, NULL);
	pthread_mutex_unlock(&c->mutex);
	for (size_t i = 0; i < begun; i++)
		pthread_join(c->workers[i].thread, NULL);
	release(c);
	if (result == -1 && err != NULL)
		*err = failure;
	return result;
}
