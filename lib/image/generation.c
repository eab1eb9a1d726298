#include "lib/image/generation.h"

#include <stdlib.h>
#include <string.h>

#include "lib/image/siblings.h"
#include "lib/store/image.h"
#include "lib/store/use.h"

/* Where the alias's images come from: a new string, or NULL (no error). */
static char *
find_origin(struct vm_store *store, const struct vm_alias *alias)
{
	struct vm_json *json VM_CLEAN_JSON = alias->name[0] == '\0' ?
	    NULL :
	    vm_alias_load(store, alias->name, NULL);
	const char *source = vm_json_string(json, "source", NULL);

	return source == NULL ? NULL : strdup(source);
}

/* What came from stdin, or with another disk, cannot be asked for again. */
static bool
can_be_asked(const char *origin)
{
	return origin != NULL && strcmp(origin, "stdin") != 0 &&
	    !vm_siblings_is_source(origin);
}

/* Ask the origin, as if it had been the operand. */
static int
ask_origin(struct vm_store *store, const struct vm_source *source,
    const struct vm_fetch_options *options, const struct vm_alias *alias,
    const char *origin, struct vm_fetched *fetched, struct vm_error *err)
{
	struct vm_source asked VM_CLEAN_SOURCE = { 0 };
	struct vm_fetch_options how = *options;

	if (vm_source_parse(origin, NULL, &asked, err) == -1)
		return -1;
	memcpy(asked.digest, source->digest, sizeof(asked.digest));
	asked.digest_type = source->digest_type;
	asked.pull = source->pull;
	if (vm_source_set_trust(&asked, NULL, source->checksums,
		source->signature, source->keyring, err) == -1)
		return -1;
	for (size_t i = 0; i < source->mirror_count; i++)
		if (vm_source_add_mirror(&asked, source->mirrors[i].location,
			err) == -1)
			return -1;
	if (how.alias == NULL)
		how.alias = alias->name;
	return vm_fetch_source(store, &asked, &how, fetched, err);
}

/*
 * One generation, which is gone: the same bytes or none, and the alias stays
 * where it is.
 */
static int
fetch_again(struct vm_store *store, const struct vm_source *source,
    const struct vm_fetch_options *options, const struct vm_alias *alias,
    const char *origin, struct vm_fetched *fetched, struct vm_error *err)
{
	struct vm_source exact = *source; /* its strings are the caller's */
	struct vm_json *facts VM_CLEAN_JSON = NULL;
	struct vm_alias current;

	if (exact.digest[0] == '\0') {
		exact.digest_type = VM_HASH_SHA256;
		snprintf(exact.digest, sizeof(exact.digest), "%.64s",
		    alias->id);
	}
	if (vm_alias_resolve(store, alias->name, &current, err) == -1 ||
	    ask_origin(store, &exact, options, alias, origin, fetched, err) ==
		-1)
		return -1;
	if (fetched->absent)
		return 0;
	facts = vm_image_load(store, current.id, NULL);
	if (options->alias == NULL &&
	    (vm_siblings_follow(store, facts, alias->name, origin, err) == -1 ||
		vm_alias_set(store, alias->name, current.id, origin, &current,
		    err) == -1))
		return -1;
	return strncmp(fetched->alias.id, alias->id, VM_IMAGE_ID - 1) == 0 ?
	    0 :
	    vm_error_set(err, VM_E_DATA, "digest_mismatch",
		"%s: it was another file than the digest is of", source->shown);
}

static int
check_digest(const struct vm_source *source, const struct vm_json *facts,
    struct vm_error *err)
{
	bool is_512 = source->digest_type == VM_HASH_SHA512;
	const char *name = is_512 ? "sha512" : "sha256";
	const char *has = vm_json_string(facts, name, "unknown");

	if (source->digest[0] == '\0' || strcmp(has, source->digest) == 0)
		return 0;
	return vm_error_set(err, VM_E_DATA, "digest_mismatch",
	    "%s: it is not what was asked for: %s is %s, expected %s",
	    source->shown, name, has, source->digest);
}

static int
use_stored(struct vm_store *store, const struct vm_source *source,
    const struct vm_fetch_options *options, const struct vm_alias *alias,
    const char *origin, const struct vm_json *facts, struct vm_fetched *fetched,
    struct vm_error *err)
{
	struct vm_alias moved = *alias;

	if (check_digest(source, facts, err) == -1)
		return -1;
	if (!options->dry_run) {
		vm_use_note(store, VM_STORE_IMAGES, alias->id);
		vm_siblings_note_use(store, facts);
	}
	if (options->alias != NULL && !options->dry_run &&
	    (vm_siblings_follow(store, facts, options->alias,
		 origin == NULL ? "" : origin, err) == -1 ||
		vm_alias_set(store, options->alias, alias->id, origin, &moved,
		    err) == -1))
		return -1;
	*fetched = (struct vm_fetched){ .alias = moved,
		.virtual_size = (uint64_t)vm_json_int(facts, "virtual_size",
		    0) };
	return 0;
}

int
vm_generation_use(struct vm_store *store, const struct vm_source *source,
    const struct vm_fetch_options *options, struct vm_fetched *fetched,
    struct vm_error *err)
{
	struct vm_json *facts VM_CLEAN_JSON = NULL;
	char *origin VM_CLEAN_FREE = NULL;
	struct vm_error failure = { 0 };
	struct vm_alias alias;
	bool exact, ask; /* exact: NAME@N or an id, which never change */

	if (vm_alias_resolve(store, source->location, &alias, err) == -1)
		return -1;
	origin = find_origin(store, &alias);
	exact = strcmp(alias.name, source->location) != 0;
	ask = (options->refresh || source->pull == VM_PULL_ALWAYS) && !exact &&
	    !options->offline;
	facts = vm_image_load(store, alias.id, &failure);
	if (source->pull != VM_PULL_NEVER && !options->offline &&
	    (facts != NULL ?
		    !vm_siblings_are_there(store, facts) :
		    failure.kind == VM_E_NO_INPUT || failure.kind == VM_E_DATA))
		ask = true;
	if (facts != NULL && source->digest[0] == '\0' && !exact &&
	    !vm_trust_is_met(source, origin, options, facts))
		ask = true;
	if (ask && can_be_asked(origin))
		return exact ? fetch_again(store, source, options, &alias,
				   origin, fetched, err) :
			       ask_origin(store, source, options, &alias,
				   origin, fetched, err);
	if (facts != NULL && source->digest[0] == '\0' &&
	    !vm_trust_is_met(source, origin, options, facts))
		return vm_error_set(err, VM_E_DENIED, "unverified",
		    "%s: not verified so, and its origin cannot be asked%s",
		    source->shown, exact ? " for an older one" : "");
	if (facts != NULL)
		return use_stored(store, source, options, &alias, origin, facts,
		    fetched, err);
	if (err != NULL)
		*err = failure;
	if (origin != NULL && vm_siblings_is_source(origin))
		vm_error_hint(err, "vmfetch with the source of all its disks");
	return vm_error_wrap(err, "%s", source->shown);
}
