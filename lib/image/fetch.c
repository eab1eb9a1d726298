#include "lib/image/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/progress.h"
#include "lib/image/facts.h"
#include "lib/image/flight.h"
#include "lib/image/present.h"
#include "lib/store/image.h"
#include "lib/store/use.h"

#define ATTEMPTS 3 /* downloads begun anew */

struct fetch {
	struct vm_store *store;
	struct vm_source *source; /* pinned as soon as it is known how */
	struct vm_trust trust;
	struct vm_json *recalled; /* how its image was verified, or NULL */
	const struct vm_fetch_options *options;
	struct vm_flight flight;
	struct vm_mirrors mirrors;
	char *alias;		       /* that it has or will have */
	char current[VM_IMAGE_ID + 8]; /* the alias's image now, or "" */
	struct vm_json *facts;	       /* of that, or NULL */
};

static void
release(struct fetch *f)
{
	vm_flight_end(&f->flight);
	free(f->alias);
	vm_json_free(f->facts);
	vm_json_free(f->recalled);
}

static uint64_t
max_bytes(const struct fetch *f)
{
	return f->options->max_bytes != 0 ? f->options->max_bytes :
					    VM_FETCH_MAX_BYTES;
}

/* --- which alias --------------------------------------------------------- */

/* Is there an alias of this name that stands for another source? */
static bool
is_of_another(const struct fetch *f, const char *name)
{
	struct vm_json *json VM_CLEAN_JSON = vm_alias_load(f->store, name,
	    NULL);

	return json != NULL &&
	    strcmp(vm_json_string(json, "source", ""), f->source->shown) != 0;
}

/* A name of its own for a source: its file's, made unique if that is taken. */
static char *
make_alias(const struct fetch *f, struct vm_error *err)
{
	char *name VM_CLEAN_FREE = vm_source_name(f->source, err);
	char hex[VM_HASH_SHA256_HEX];

	if (name == NULL || !is_of_another(f, name))
		return VM_TAKE(name);
	if (vm_hash_sha256(f->source->shown, strlen(f->source->shown), hex,
		err) == -1)
		return NULL;
	return vm_buf_printf(err, "%s-%.6s", name, hex);
}

/* Whose generations these are, and where they stand. */
static int
find_alias(struct fetch *f, struct vm_error *err)
{
	struct vm_error failure = { 0 };

	if (f->source->kind == VM_SOURCE_STDIN && f->options->alias == NULL)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "an image from stdin needs a name: -a NAME");
	f->alias = f->options->alias != NULL ?
	    vm_buf_printf(err, "%s", f->options->alias) :
	    vm_alias_of_source(f->store, f->source->shown, &failure);
	if (f->alias == NULL && vm_error_is_set(&failure)) {
		if (err != NULL)
			*err = failure;
		return -1;
	}
	if (f->alias == NULL)
		f->alias = make_alias(f, err);
	return f->alias == NULL || vm_alias_check_name(f->alias, err) == -1 ?
	    -1 :
	    0;
}

/* The alias's current image, if it comes from this source. */
static int
find_current(struct fetch *f, struct vm_error *err)
{
	char *name VM_CLEAN_FREE = NULL;
	struct vm_error failure = { 0 };
	struct vm_alias alias;

	vm_json_free(VM_TAKE(f->facts));
	f->current[0] = '\0';
	if (f->source->kind == VM_SOURCE_STDIN)
		return 0;
	name = is_of_another(f, f->alias) ? NULL :
					    vm_buf_printf(err, "%s", f->alias);
	if (name == NULL)
		name = vm_alias_of_source(f->store, f->source->shown, &failure);
	if (name == NULL ||
	    vm_alias_resolve(f->store, name, &alias, &failure) == -1)
		return 0;
	f->facts = vm_present_load(f->store, alias.id, err);
	if (f->facts != NULL)
		memcpy(f->current, alias.id, sizeof(f->current));
	return f->facts == NULL && vm_error_is_set(err) ? -1 : 0;
}

/* --- is it there --------------------------------------------------------- */

/* 1 and its id: no need to ask anybody; 0: there is; -1. */
static int
find_present(struct fetch *f, char *id, struct vm_error *err)
{
	bool ask = !f->options->offline &&
	    (f->options->refresh || f->source->pull == VM_PULL_ALWAYS);
	struct vm_json *facts VM_CLEAN_JSON = NULL;

	if (f->source->digest[0] != '\0') {
		if (f->source->digest_type == VM_HASH_SHA512)
			return vm_present_find(f->store, f->source->digest, id,
			    err);
		facts = vm_present_load(f->store, f->source->digest, err);
		if (facts == NULL)
			return vm_error_is_set(err) ? -1 : 0;
		memcpy(id, f->source->digest, VM_IMAGE_ID);
		return 1;
	}
	if (ask || f->current[0] == '\0')
		return 0;
	memcpy(id, f->current, sizeof(f->current));
	return 1;
}

/* Make it the alias's current image and say what it is. */
static int
adopt(const struct fetch *f, const char *id, struct vm_fetched *fetched,
    struct vm_error *err)
{
	struct vm_json *facts VM_CLEAN_JSON = vm_image_load(f->store, id, err);
	struct vm_alias alias;

	if (facts == NULL)
		return -1;
	if (!f->options->dry_run)
		vm_use_note(f->store, VM_STORE_IMAGES, id);
	if (is_of_another(f, f->alias) ||
	    vm_alias_resolve(f->store, f->alias, &alias, NULL) == -1 ||
	    strcmp(alias.id, id) != 0) {
		if (f->options->dry_run)
			alias = (struct vm_alias){ 0 };
		else if (vm_alias_set(f->store, f->alias, id, f->source->shown,
			     &alias, err) == -1)
			return -1;
	}
	fetched->alias = alias;
	fetched->virtual_size = (uint64_t)vm_json_int(facts, "virtual_size", 0);
	return 0;
}

/* --- fetching it --------------------------------------------------------- */

static void
note_progress(void *context, uint64_t done, uint64_t total)
{
	struct fetch *f = context;

	vm_flight_note(&f->flight, done, total);
}

static int
publish(struct fetch *f, struct vm_publish *object,
    const struct vm_master *master, char *id, struct vm_error *err)
{
	const struct vm_facts facts = { f->source->shown, f->alias, master };

	if (vm_facts_publish(f->store, object, &facts, err) == -1 ||
	    vm_trust_note(f->store, master->stream.sha256, f->source, &f->trust,
		err) == -1)
		return -1;
	memcpy(id, master->stream.sha256, VM_IMAGE_ID);
	return 0;
}

/* A digest says what is wanted; "not modified" would be no answer to it. */
static void
set_conditions(const struct fetch *f, struct vm_stream_options *options)
{
	if (f->facts == NULL || f->source->digest[0] != '\0' ||
	    strcmp(f->source->shown, vm_json_string(f->facts, "source", "")) !=
		0)
		return;
	options->etag = vm_json_string(f->facts, "etag", NULL);
	options->modified = vm_json_string(f->facts, "last_modified", NULL);
}

static int
download_with(struct fetch *f, struct vm_part *part, char *id,
    struct vm_error *err)
{
	struct vm_publish object VM_CLEAN_PUBLISH = { .dir_fd = -1 };
	struct vm_stream *stream VM_CLEAN_STREAM = NULL;
	struct vm_master master;
	const struct vm_master_options wanted = {
		.max_virtual_bytes = max_bytes(f),
		.any_ratio = f->options->max_bytes != 0,
		.format = f->source->format,
	};
	struct vm_stream_options options = {
		.source = f->source,
		.access = &f->options->access,
		.stall_ms = f->options->stall_ms,
		.max_rate = f->options->max_rate,
		.max_bytes = max_bytes(f),
		.part = part,
		.mirrors = &f->mirrors,
		.progress = note_progress,
		.context = f,
	};

	set_conditions(f, &options);
	if (vm_store_free_space(f->store, &options.free_bytes, err) == -1 ||
	    vm_publish_begin(f->store, &object, err) == -1)
		return -1;
	if (part != NULL) /* that is on the disk already */
		options.free_bytes += vm_part_prefix(part);
	stream = vm_stream_open(&options, err);
	if (stream == NULL ||
	    vm_master_build(&object, stream, &wanted, &master, err) == -1)
		return -1;
	if (master.stream.reply.not_modified) {
		memcpy(id, f->current, sizeof(f->current));
		return 0;
	}
	return publish(f, &object, &master, id, err);
}

/* Would what has come of it be of use to the next try? */
static bool
is_worth_keeping(const struct vm_error *failure)
{
	switch (failure->kind) {
	case VM_E_UNAVAILABLE:
		return strcmp(failure->code, "restart") != 0;
	case VM_E_SYSTEM:
	case VM_E_IO:
	case VM_E_TRY_AGAIN:
	case VM_E_DENIED:
	case VM_E_INTERRUPTED:
		return true;
	default:
		return false;
	}
}

/* *resumed: it went on from what an earlier try had left. */
static int
download(struct fetch *f, char *id, bool *resumed, struct vm_error *err)
{
	struct vm_part *part VM_CLEAN_PART = NULL;
	int result;

	f->mirrors.given = 0;
	if (f->source->kind == VM_SOURCE_HTTP)
		part = vm_part_open(f->store, f->source, !f->options->no_part);
	*resumed = part != NULL && vm_part_prefix(part) > 0;
	result = download_with(f, part, id, err);
	if (result == 0 || !is_worth_keeping(err))
		vm_part_discard(part);
	return result;
}

/* One of the mirrors gave other bytes, and another may have the right ones. */
static bool
is_of_liar(struct fetch *f, bool resumed, const struct vm_error *failure)
{
	return strcmp(failure->code, "digest_mismatch") == 0 && !resumed &&
	    vm_mirrors_blame(&f->mirrors);
}

/*
 * A transfer that cannot be continued is begun anew, but not for ever; so is
 * one whose data is bad, when its beginning came from an earlier try.
 */
static int
download_again(struct fetch *f, char *id, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	bool repeatable = f->source->kind == VM_SOURCE_HTTP, resumed;
	int most = ATTEMPTS + 2 * (int)f->source->mirror_count;

	if (f->source->mirror_count > 0 && f->source->digest[0] == '\0') {
		vm_error_set(err, VM_E_USAGE, "no_digest",
		    "without a digest nothing tells whether mirrors have the "
		    "same file");
		return vm_error_hint(err, "vmfetch --checksum sha256:HEX");
	}

	for (int attempt = 1; download(f, id, &resumed, &failure) == -1;
	     attempt++) {
		bool lost = is_of_liar(f, resumed, &failure) ||
		    strcmp(failure.code, "restart") == 0 ||
		    strcmp(failure.code, "connection_lost") == 0 ||
		    (resumed && failure.kind == VM_E_DATA);

		if (!repeatable || !lost || attempt >= most) {
			if (err != NULL)
				*err = failure;
			return -1;
		}
		vm_log(VM_LOG_INFO, "%s; beginning anew", failure.message);
		vm_error_clear(&failure);
	}
	vm_mirrors_absolve(&f->mirrors);
	return 0;
}

/* Under the source's lock, unless it is there by now. */
static int
fetch_locked(struct fetch *f, char *id, struct vm_error *err)
{
	char before[sizeof(f->current)];
	int present;

	memcpy(before, f->current, sizeof(before));
	if (f->source->kind == VM_SOURCE_STDIN)
		return download_again(f, id, err);
	if (vm_flight_begin(f->store, f->source->shown,
		f->options->lock_wait_ms, &f->flight, err) == -1 ||
	    find_current(f, err) == -1)
		return -1;
	present = find_present(f, id, err);
	if (present != 0)
		return present == 1 ? 0 : -1;
	if (f->flight.waited && f->source->digest[0] == '\0' &&
	    f->current[0] != '\0' && strcmp(before, f->current) != 0) {
		memcpy(id, f->current, sizeof(f->current));
		return 0;
	}
	return download_again(f, id, err);
}

static int
refuse_pull(struct vm_error *err)
{
	return vm_error_set(err, VM_E_NO_INPUT, "image_not_found",
	    "not in the store, and pull is never");
}

static int
refuse_offline(struct vm_error *err)
{
	return vm_error_set(err, VM_E_NO_INPUT, "image_not_found",
	    "not in the store, and --offline was said");
}

/* Not there: get it, where that is allowed. */
static int
fetch_absent(struct fetch *f, char *id, struct vm_error *err)
{
	int result;

	if (f->source->pull == VM_PULL_NEVER)
		return refuse_pull(err);
	if (f->options->offline)
		return refuse_offline(err);
	vm_progress_start(f->alias, 0, VM_PROGRESS_BYTES);
	result = fetch_locked(f, id, err);
	vm_progress_end();
	return result;
}

/* A dry run: it would be fetched, as far as can be seen without asking. */
static int
expect(const struct fetch *f, struct vm_fetched *fetched, struct vm_error *err)
{
	const struct vm_source *source = f->source;

	if (source->pull == VM_PULL_NEVER)
		return refuse_pull(err);
	if (f->options->offline)
		return refuse_offline(err);
	if (source->kind == VM_SOURCE_FILE &&
	    access(source->location, R_OK) == -1)
		return vm_error_errno(err, errno, "%s", source->shown);
	snprintf(fetched->alias.name, sizeof(fetched->alias.name), "%s",
	    f->alias);
	fetched->absent = true;
	return vm_trust_check_way(source, f->options, err);
}

/* A dry run without a store: nothing is there, so all would be fetched. */
static int
expect_first(struct fetch *f, struct vm_fetched *fetched, struct vm_error *err)
{
	const char *alias = f->options->alias;

	f->alias = alias != NULL ? vm_buf_printf(err, "%s", alias) :
				   vm_source_name(f->source, err);
	if (f->alias == NULL || vm_alias_check_name(f->alias, err) == -1)
		return -1;
	return expect(f, fetched, err);
}

/* Is what the store has verified as asked for?  Else nothing is present. */
static int
find_verified(struct fetch *f, char *id, struct vm_error *err)
{
	struct vm_json *facts VM_CLEAN_JSON = NULL;
	int present = find_present(f, id, err);

	if (present != 1 || f->source->digest[0] != '\0')
		return present;
	facts = vm_image_load(f->store, id, err);
	if (facts == NULL)
		return -1;
	if (vm_trust_is_met(f->source, f->options, facts))
		return 1;
	if (f->source->pull != VM_PULL_NEVER && !f->options->offline)
		return 0;
	return vm_error_set(err, VM_E_DENIED, "unverified",
	    "in the store, but not verified so, and %s",
	    f->options->offline ? "--offline was said" : "pull is never");
}

/* Find the digest out: then it may be there after all. */
static int
pin(struct fetch *f, char *id, struct vm_error *err)
{
	int present;

	vm_trust_recall(f->recalled, f->options, f->source);
	if (vm_trust_check(f->source, f->options, err) == -1)
		return -1;
	if (f->source->pull == VM_PULL_NEVER || f->options->offline)
		return 0;
	if (vm_trust_check_way(f->source, f->options, err) == -1)
		return -1;
	if (f->source->digest[0] != '\0')
		snprintf(f->trust.by, sizeof(f->trust.by), "digest");
	if (f->options->dry_run || f->source->digest[0] != '\0')
		return 0;
	if (vm_trust_pin(f->source, f->options, &f->trust, err) == -1)
		return -1;
	present = f->source->digest[0] == '\0' ? 0 : find_present(f, id, err);
	if (present == 1 &&
	    vm_trust_note(f->store, id, f->source, &f->trust, err) == -1)
		return -1;
	return present;
}

/*
 * The origin is not to be had: what is here will do, if it was verified as is
 * asked for now, and unless it must not.
 */
static int
use_current(const struct fetch *f, char *id, const struct vm_error *failure,
    struct vm_error *err)
{
	bool is_pinned = strcmp(f->trust.by, "digest") == 0; /* by the user */

	if (failure->kind == VM_E_UNAVAILABLE && f->current[0] != '\0' &&
	    !is_pinned && !f->options->must_refresh && !f->options->dry_run &&
	    vm_trust_is_met(f->source, f->options, f->facts)) {
		vm_log(VM_LOG_WARN, "%s; the image of %s that is here is used",
		    failure->message, vm_json_string(f->facts, "fetched", "?"));
		memcpy(id, f->current, sizeof(f->current));
		return 0;
	}
	if (err != NULL)
		*err = *failure;
	return -1;
}

/* Ask for what is not there as it is asked for. */
static int
obtain(struct fetch *f, char *id, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	int present;

	f->recalled = vm_json_copy(vm_json_get(f->facts, "trust"));
	present = pin(f, id, &failure);
	if (present == 0 && !f->options->dry_run)
		present = fetch_absent(f, id, &failure) == 0 ? 1 : -1;
	if (present != -1)
		return present;
	return use_current(f, id, &failure, err) == 0 ? 1 : -1;
}

static int
fetch(struct fetch *f, struct vm_fetched *fetched, struct vm_error *err)
{
	char id[VM_IMAGE_ID + 8] = "";
	int present;

	if (vm_trust_check(f->source, f->options, err) == -1)
		return -1;
	if (f->store == NULL)
		return expect_first(f, fetched, err);
	if (find_alias(f, err) == -1 || find_current(f, err) == -1)
		return -1;
	present = find_verified(f, id, err);
	if (present == 0)
		present = obtain(f, id, err);
	if (present == -1)
		return -1;
	return present == 0 ? expect(f, fetched, err) :
			      adopt(f, id, fetched, err);
}

int
vm_fetch_source(struct vm_store *store, const struct vm_source *source,
    const struct vm_fetch_options *options, struct vm_fetched *fetched,
    struct vm_error *err)
{
	struct vm_source pinned = *source; /* its strings are the caller's */
	struct fetch f VM_CLEAN(release) = { .store = store,
		.source = &pinned,
		.options = options,
		.mirrors.source = &pinned,
		.flight.lock_fd = -1 };
	struct vm_fetched made = { 0 };
	struct vm_error failure = { 0 };

	if (fetch(&f, &made, &failure) == 0) {
		*fetched = made;
		return 0;
	}
	if (strstr(failure.message, source->shown) == NULL)
		vm_error_wrap(&failure, "%s", source->shown);
	if (err != NULL)
		*err = failure;
	return -1;
}
