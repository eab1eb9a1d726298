#include "lib/image/facts.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/store/image.h"

#define ID (VM_IMAGE_ID + 8)

static void
make_id(const struct vm_intake *intake, size_t i, char id[ID])
{
	if (intake->count == 1)
		snprintf(id, ID, "%.64s", intake->stream.sha256);
	else
		snprintf(id, ID, "%.64s-%zu", intake->stream.sha256, i + 1);
}

char *
vm_facts_alias(const char *alias, size_t number, struct vm_error *err)
{
	return number == 1 ? vm_buf_printf(err, "%s", alias) :
			     vm_buf_printf(err, "%s-%zu", alias, number);
}

/* --- image.json ---------------------------------------------------------- */

static int
describe_disk(const struct vm_intake *intake, size_t i, struct vm_json *made,
    struct vm_error *err)
{
	const struct vm_intake_disk *disk = &intake->disks[i];
	char id[ID];

	make_id(intake, i, id);
	if (vm_json_set_string(made, "id", id, err) == -1 ||
	    (disk->name != NULL &&
		vm_json_set_string(made, "name", disk->name, err) == -1))
		return -1;
	return vm_json_set_int(made, "virtual_size",
	    (int64_t)disk->master.virtual_size, err);
}

/* Of several disks: all of them, and which of them it is. */
static int
describe_disks(const struct vm_intake *intake, size_t i, struct vm_json *facts,
    struct vm_error *err)
{
	struct vm_json *disks = vm_json_new_array();

	if (vm_json_set(facts, "disks", disks, err) == -1)
		return -1;
	for (size_t other = 0; other < intake->count; other++) {
		struct vm_json *made = vm_json_new_object();

		if (vm_json_append(disks, made, err) == -1 ||
		    describe_disk(intake, other, made, err) == -1)
			return -1;
	}
	return vm_json_set_int(facts, "disk", (int64_t)i + 1, err);
}

/* What the server said of it. */
static int
describe_reply(const struct vm_stream_result *stream, struct vm_json *facts,
    struct vm_error *err)
{
	const struct vm_http_reply *reply = &stream->reply;

	if ((reply->url[0] != '\0' &&
		vm_json_set_string(facts, "url", reply->url, err) == -1) ||
	    (reply->etag[0] != '\0' &&
		vm_json_set_string(facts, "etag", reply->etag, err) == -1) ||
	    (reply->modified[0] != '\0' &&
		vm_json_set_string(facts, "last_modified", reply->modified,
		    err) == -1))
		return -1;
	return stream->mtime_ns == 0 ?
	    0 :
	    vm_json_set_int(facts, "source_mtime_ns", stream->mtime_ns, err);
}

static struct vm_json *
describe(const struct vm_facts *f, const struct vm_intake *intake, size_t i,
    struct vm_error *err)
{
	struct vm_json *facts VM_CLEAN_JSON = vm_json_new_object();
	char *alias VM_CLEAN_FREE = vm_facts_alias(f->alias, i + 1, err);
	const struct vm_stream_result *stream = &intake->stream;
	const struct vm_master *master = &intake->disks[i].master;
	char now[VM_CLOCK_TEXT];

	if (facts == NULL || alias == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (vm_json_set_string(facts, "sha256", stream->sha256, err) == -1 ||
	    (stream->sha512[0] != '\0' &&
		vm_json_set_string(facts, "sha512", stream->sha512, err) ==
		    -1) ||
	    vm_json_set_string(facts, "format", master->format, err) == -1 ||
	    vm_json_set_string(facts, "source", f->source, err) == -1 ||
	    vm_json_set_string(facts, "alias", alias, err) == -1 ||
	    vm_json_set_string(facts, "fetched", vm_clock_format_now(now),
		err) == -1 ||
	    vm_json_set_int(facts, "published_size",
		(int64_t)stream->size_bytes, err) == -1 ||
	    vm_json_set_int(facts, "virtual_size",
		(int64_t)master->virtual_size, err) == -1 ||
	    vm_json_set_int(facts, "chunk_size", (int64_t)VM_IMAGE_CHUNK,
		err) == -1 ||
	    describe_reply(stream, facts, err) == -1)
		return NULL;
	if ((intake->count > 1 &&
		describe_disks(intake, i, facts, err) == -1) ||
	    (intake->machine != NULL &&
		vm_json_set(facts, "ovf", vm_json_copy(intake->machine), err) ==
		    -1))
		return NULL;
	return VM_TAKE(facts);
}

/* --- publication --------------------------------------------------------- */

/*
 * The same bytes may be there since before anybody asked for their sha512:
 * noted now, so that the next one who does needs no request.
 */
static int
note_sha512(struct vm_store *store, const char *id, const char *hex,
    struct vm_error *err)
{
	struct vm_json *facts VM_CLEAN_JSON = vm_image_load(store, id, err);

	if (facts == NULL)
		return -1;
	if (hex[0] == '\0' || vm_json_get(facts, "sha512") != NULL)
		return 0;
	return vm_image_set_sha512(store, id, hex, err);
}

static int
publish(struct vm_store *store, struct vm_intake *intake, size_t i,
    const struct vm_facts *facts, char id[ID], struct vm_error *err)
{
	struct vm_json *json VM_CLEAN_JSON = describe(facts, intake, i, err);
	struct vm_publish *object = &intake->disks[i].publish;

	if (json == NULL)
		return -1;
	make_id(intake, i, id);
	if (vm_master_name(object, id, err) == -1 ||
	    vm_image_publish(store, object, id, json, err) == -1)
		return -1;
	return note_sha512(store, id, intake->stream.sha512, err);
}

int
vm_facts_publish(struct vm_store *store, struct vm_intake *intake,
    const struct vm_facts *facts, char *id, struct vm_error *err)
{
	char made[ID] = "";

	for (size_t i = intake->count; i-- > 0;)
		if (publish(store, intake, i, facts, made, err) == -1)
			return -1;
	memcpy(id, made, sizeof(made));
	return 0;
}
