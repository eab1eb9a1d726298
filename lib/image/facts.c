#include "lib/image/facts.h"

#include "lib/base/clock.h"
#include "lib/store/image.h"

struct vm_json *
vm_facts_describe(const struct vm_source *source, const char *alias,
    const struct vm_master *master, struct vm_error *err)
{
	struct vm_json *facts VM_CLEAN_JSON = vm_json_new_object();
	const struct vm_stream_result *stream = &master->stream;
	char now[VM_CLOCK_TEXT];

	if (facts == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (vm_json_set_string(facts, "sha256", stream->sha256, err) == -1 ||
	    (stream->sha512[0] != '\0' &&
		vm_json_set_string(facts, "sha512", stream->sha512, err) ==
		    -1) ||
	    vm_json_set_string(facts, "format", master->format, err) == -1 ||
	    vm_json_set_string(facts, "source", source->shown, err) == -1 ||
	    vm_json_set_string(facts, "alias", alias, err) == -1 ||
	    vm_json_set_string(facts, "fetched", vm_clock_format_now(now),
		err) == -1 ||
	    vm_json_set_int(facts, "published_size",
		(int64_t)stream->size_bytes, err) == -1 ||
	    vm_json_set_int(facts, "virtual_size",
		(int64_t)master->virtual_size, err) == -1 ||
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
