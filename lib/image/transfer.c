#include "lib/image/transfer.h"

#include <string.h>

#include "lib/base/log.h"
#include "lib/image/facts.h"
#include "lib/image/ovf_files.h"
#include "lib/source/part.h"
#include "lib/store/image.h"

#define ATTEMPTS 3 /* downloads begun anew */

static uint64_t
max_bytes(const struct vm_transfer *t)
{
	return t->options->max_bytes != 0 ? t->options->max_bytes :
					    VM_FETCH_MAX_BYTES;
}

static void
note_progress(void *context, uint64_t done, uint64_t total)
{
	struct vm_transfer *t = context;

	vm_flight_note(t->flight, done, total);
}

static int
publish(struct vm_transfer *t, struct vm_intake *intake, char *id,
    struct vm_error *err)
{
	const struct vm_facts facts = { t->source->shown, t->alias };

	if (vm_facts_publish(t->store, intake, &facts, id, err) == -1)
		return -1;
	return vm_trust_note(t->store, id, t->source, t->trust, err);
}

/* A digest says what is wanted; "not modified" would be no answer to it. */
static void
set_conditions(const struct vm_transfer *t, struct vm_stream_options *options)
{
	if (t->facts == NULL || t->source->digest[0] != '\0' ||
	    strcmp(t->source->shown, vm_json_string(t->facts, "source", "")) !=
		0)
		return;
	options->etag = vm_json_string(t->facts, "etag", NULL);
	options->modified = vm_json_string(t->facts, "last_modified", NULL);
}

/* A file that stands for several. */
static int
download_ovf(struct vm_transfer *t, char *id, struct vm_error *err)
{
	struct vm_intake intake VM_CLEAN_INTAKE = { 0 };
	const struct vm_master_options wanted = {
		.max_virtual_bytes = max_bytes(t),
		.any_ratio = t->options->max_bytes != 0,
	};
	const struct vm_ovf_files files = {
		.store = t->store,
		.source = t->source,
		.options = t->options,
		.wanted = &wanted,
		.max_bytes = max_bytes(t),
		.progress = note_progress,
		.context = t,
	};

	if (vm_ovf_files_build(&files, &intake, err) == -1)
		return -1;
	return publish(t, &intake, id, err);
}

static int
download_with(struct vm_transfer *t, struct vm_part *part, char *id,
    struct vm_error *err)
{
	struct vm_intake intake VM_CLEAN_INTAKE = { 0 };
	struct vm_stream *stream VM_CLEAN_STREAM = NULL;
	const struct vm_master_options wanted = {
		.max_virtual_bytes = max_bytes(t),
		.any_ratio = t->options->max_bytes != 0,
		.format = t->source->format,
	};
	struct vm_stream_options options = {
		.source = t->source,
		.reach = &t->options->reach,
		.max_bytes = max_bytes(t),
		.part = part,
		.mirrors = &t->mirrors,
		.progress = note_progress,
		.context = t,
	};

	set_conditions(t, &options);
	if (vm_store_free_space(t->store, &options.free_bytes, err) == -1)
		return -1;
	if (part != NULL) /* that is on the disk already */
		options.free_bytes += vm_part_prefix(part);
	stream = vm_stream_open(&options, err);
	if (stream == NULL ||
	    vm_intake_build(t->store, stream, &wanted, &intake, err) == -1)
		return -1;
	if (intake.stream.reply.not_modified) {
		id[0] = '\0';
		return 0;
	}
	return publish(t, &intake, id, err);
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
download(struct vm_transfer *t, char *id, bool *resumed, struct vm_error *err)
{
	struct vm_part *part VM_CLEAN_PART = NULL;
	int result;

	t->mirrors.given = 0;
	*resumed = false;
	if (vm_ovf_files_is(t->source))
		return download_ovf(t, id, err);
	if (vm_source_is_remote(t->source))
		part = vm_part_open(t->store, t->source, !t->options->no_part);
	*resumed = part != NULL && vm_part_prefix(part) > 0;
	result = download_with(t, part, id, err);
	if (result == 0 || !is_worth_keeping(err))
		vm_part_discard(part);
	return result;
}

/* One of the mirrors gave other bytes, and another may have the right ones. */
static bool
is_of_liar(struct vm_transfer *t, bool resumed, const struct vm_error *failure)
{
	return strcmp(failure->code, "digest_mismatch") == 0 && !resumed &&
	    vm_mirrors_blame(&t->mirrors);
}

/*
 * Did it get in, and then no more?  What lets us in there is good for a while
 * only, and is made anew (origin.h).
 */
static bool
has_expired(const struct vm_transfer *t, const struct vm_error *failure)
{
	return strcmp(failure->code, "forbidden") == 0 &&
	    t->mirrors.given != 0 &&
	    (t->source->kind == VM_SOURCE_OCI ||
		t->source->kind == VM_SOURCE_S3);
}

/* Was it lost in a way that another try may mend? */
static bool
is_lost(struct vm_transfer *t, bool resumed, const struct vm_error *failure)
{
	return is_of_liar(t, resumed, failure) || has_expired(t, failure) ||
	    strcmp(failure->code, "restart") == 0 ||
	    strcmp(failure->code, "connection_lost") == 0 ||
	    (resumed && failure->kind == VM_E_DATA);
}

int
vm_transfer_run(struct vm_transfer *t, char *id, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	bool repeatable = vm_source_is_remote(t->source), resumed;
	int most = ATTEMPTS + 2 * (int)t->source->mirror_count;

	if (t->source->mirror_count > 0 && t->source->digest[0] == '\0') {
		vm_error_set(err, VM_E_USAGE, "no_digest",
		    "without a digest nothing tells whether mirrors have the "
		    "same file");
		return vm_error_hint(err, "vmfetch --checksum sha256:HEX");
	}
	for (int attempt = 1; download(t, id, &resumed, &failure) == -1;
	     attempt++) {
		bool lost = is_lost(t, resumed, &failure);

		if (!repeatable || !lost || attempt >= most) {
			if (err != NULL)
				*err = failure;
			return -1;
		}
		vm_log(VM_LOG_INFO, "%s; beginning anew", failure.message);
		vm_error_clear(&failure);
	}
	vm_mirrors_absolve(&t->mirrors);
	return 0;
}
