#include "lib/image/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/progress.h"
#include "lib/image/flight.h"
#include "lib/image/naming.h"
#include "lib/source/origin.h"
#include "lib/image/present.h"
#include "lib/image/siblings.h"
#include "lib/image/transfer.h"
#include "lib/store/image.h"
#include "lib/store/use.h"

struct fetch {
	struct vm_store *store;
	struct vm_source *source; /* pinned as soon as it is known how */
	struct vm_trust trust;
	struct vm_json *recalled; /* what was asked for before, or NULL */
	const struct vm_fetch_options *options;
	struct vm_flight flight;
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

/* --- is it there --------------------------------------------------------- */

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
	name = vm_naming_is_taken(f->store, f->source, f->alias) ?
	    NULL :
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

/* 1 and its id: no need to ask anybody; 0: there is; -1. */
static int
find_present(struct fetch *f, char *id, struct vm_error *err)
{
	bool ask = !f->options->offline &&
	    (f->options->refresh || f->source->pull == VM_PULL_ALWAYS);

	if (f->source->digest[0] != '\0')
		return vm_present_find(f->store, f->source->digest_type,
		    f->source->digest, id, err);
	if (ask || f->current[0] == '\0')
		return 0;
	memcpy(id, f->current, sizeof(f->current));
	return 1;
}

/* What was asked for shall be asked for the next time too. */
static int
note_trust(const struct fetch *f, struct vm_error *err)
{
	const struct vm_source *source = f->source;
	struct vm_json *asked VM_CLEAN_JSON = NULL;

	if (source->checksums == NULL && source->keyring == NULL &&
	    f->options->verify != VM_VERIFY_NO)
		return 0;
	asked = vm_trust_describe(source, err);
	return asked == NULL ?
	    -1 :
	    vm_alias_set_trust(f->store, f->alias, asked, err);
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
	if (!f->options->dry_run) {
		vm_use_note(f->store, VM_STORE_IMAGES, id);
		vm_siblings_note_use(f->store, facts);
	}
	if (!f->options->dry_run &&
	    vm_siblings_follow(f->store, facts, f->alias, f->source->shown,
		err) == -1)
		return -1;
	if (vm_naming_is_taken(f->store, f->source, f->alias) ||
	    vm_alias_resolve(f->store, f->alias, &alias, NULL) == -1 ||
	    strcmp(alias.id, id) != 0) {
		if (f->options->dry_run)
			alias = (struct vm_alias){ 0 };
		else if (vm_alias_set(f->store, f->alias, id, f->source->shown,
			     &alias, err) == -1)
			return -1;
	}
	if (!f->options->dry_run && note_trust(f, err) == -1)
		return -1;
	fetched->alias = alias;
	fetched->virtual_size = (uint64_t)vm_json_int(facts, "virtual_size", 0);
	return 0;
}

/* --- fetching it --------------------------------------------------------- */

/* Its bytes, or the word of the server that we have the newest. */
static int
download(struct fetch *f, char *id, struct vm_error *err)
{
	struct vm_transfer transfer = { .store = f->store,
		.source = f->source,
		.options = f->options,
		.trust = &f->trust,
		.alias = f->alias,
		.facts = f->facts,
		.flight = &f->flight,
		.mirrors.source = f->source };

	if (vm_transfer_run(&transfer, id, err) == -1)
		return -1;
	if (id[0] == '\0')
		memcpy(id, f->current, sizeof(f->current));
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
		return download(f, id, err);
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
	return download(f, id, err);
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
	if (!f->options->is_one_of_many)
		vm_progress_start(f->alias, 0, VM_PROGRESS_BYTES);
	result = fetch_locked(f, id, err);
	if (!f->options->is_one_of_many)
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
	if (vm_trust_is_met(f->source, f->source->shown, f->options, facts))
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
		return vm_error_hint(err,
		    "vmfetch --refresh --verify=no to forget what was asked "
		    "for");
	if (f->source->pull == VM_PULL_NEVER || f->options->offline)
		return 0;
	if (vm_origin_prepare(f->source, &f->options->reach, err) == -1 ||
	    vm_trust_check_way(f->source, f->options, err) == -1)
		return -1;
	if (f->source->digest[0] != '\0')
		snprintf(f->trust.by, sizeof(f->trust.by), "%s",
		    f->source->voucher[0] != '\0' ? f->source->voucher :
						    "digest");
	if (f->options->dry_run || f->source->digest[0] != '\0')
		return 0;
	present = vm_origin_pin(f->source, &f->options->reach.access, err);
	if (present == 1)
		snprintf(f->trust.by, sizeof(f->trust.by), "registry");
	else if (present == -1 ||
	    vm_trust_pin(f->source, f->options, &f->trust, err) == -1)
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
	bool is_down = failure->kind == VM_E_UNAVAILABLE &&
	    strcmp(failure->code, "no_program") != 0; /* that is ours */

	if (is_down && f->current[0] != '\0' && !is_pinned &&
	    !f->options->must_refresh && !f->options->dry_run &&
	    vm_trust_is_met(f->source, f->source->shown, f->options,
		f->facts)) {
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

	f->recalled = vm_alias_trust(f->store, f->alias, f->source->shown);
	if (f->recalled == NULL)
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
	f->alias = vm_naming_find(f->store, f->source, f->options->alias, err);
	if (f->alias == NULL || find_current(f, err) == -1)
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
		.flight = {
		    .lock_fd = -1, .silent = options->is_one_of_many } };
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
