#include "lib/image/facts.h"

#include "lib/base/clock.h"
#include "lib/store/image.h"

static struct vm_json *
describe(const struct vm_facts *f, struct vm_error *err)
{
	struct vm_json *facts VM_CLEAN_JSON = vm_json_new_object();
	const struct vm_stream_result *stream = &f->master->stream;
	char now[VM_CLOCK_TEXT];

	if (facts == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (vm_json_set_string(facts, "sha256", stream->sha256, err) == -1 ||
	    (stream->sha512[0] != '\0' &&
		vm_json_set_string(facts, "sha512", stream->sha512, err) ==
		    -1) ||
	    vm_json_set_string(facts, "format", f->master->format, err) == -1 ||
	    vm_json_set_string(facts, "source", f->source, err) == -1 ||
	    vm_json_set_string(facts, "alias", f->alias, err) == -1 ||
	    vm_json_set_string(facts, "fetched", vm_clock_format_now(now),
		err) == -1 ||
	    vm_json_set_int(facts, "published_size",
		(int64_t)stream->size_bytes, err) == -1 ||
	    vm_json_set_int(facts, "virtual_size",
		(int64_t)f->master->virtual_size, err) == -1 ||
	    vm_json_set_int(facts, "chunk_size", (int64_t)VM_IMAGE_CHUNK,
		err) == -1)
		return NULL;
	if ((stream->reply.url[0] != '\0' &&
		vm_json_set_string(facts, "url", stream->reply.url, err) ==
		    -1) ||
	    (stream->reply.etag[0] != '\0' &&
		vm_json_set_string(facts, "etag", stream->reply.etag, err) ==
		    -1) ||
	    (stream->reply.modified[0] != '\0' &&
		vm_json_set_string(facts, "last_modified",
		    stream->reply.modified, err) == -1) ||
	    (stream->mtime_ns != 0 &&
		vm_json_set_int(facts, "source_mtime_ns", stream->mtime_ns,
		    err) == -1))
		return NULL;
	return VM_TAKE(facts);
}

/*
 * The same bytes may be there since before anybody asked for their sha512:
 * noted now, so that the next one who does needs no request.
 */
static int
note_sha512(struct vm_store *store, const struct vm_stream_result *stream,
    struct vm_error *err)
{
	const char *id = stream->sha256, *hex = stream->sha512;
	struct vm_json *facts VM_CLEAN_JSON = vm_image_load(store, id, err);

	if (facts == NULL)
		return -1;
	if (hex[0] == '\0' || vm_json_get(facts, "sha512") != NULL)
		return 0;
	return vm_image_set_sha512(store, id, hex, err);
}

int
vm_facts_publish(struct vm_store *store, struct vm_publish *object,
    const struct vm_facts *facts, struct vm_error *err)
{
	struct vm_json *json VM_CLEAN_JSON = describe(facts, err);
	const struct vm_stream_result *stream = &facts->master->stream;

	if (json == NULL ||
	    vm_image_publish(store, object, stream->sha256, json, err) == -1)
		return -1;
	return note_sha512(store, stream, err);
}
