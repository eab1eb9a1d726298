#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/record/record.h"

/* Members that we use: what type they have where they are there. */
static const struct {
	const char *name;
	enum vm_json_type type;
} members[] = {
	{ "service", VM_JSON_STRING },
	{ "role", VM_JSON_STRING },
	{ "index", VM_JSON_INT },
	{ "name", VM_JSON_STRING },
	{ "state", VM_JSON_STRING },
	{ "host", VM_JSON_STRING },
	{ "drift", VM_JSON_ARRAY },
	{ "image", VM_JSON_OBJECT },
	{ "layer", VM_JSON_STRING },
	{ "disks", VM_JSON_ARRAY },
	{ "chain", VM_JSON_ARRAY },
	{ "lock_inode", VM_JSON_INT },
	{ "identity", VM_JSON_OBJECT },
	{ "spec", VM_JSON_OBJECT },
	{ "indices", VM_JSON_ARRAY },
	{ "applied", VM_JSON_OBJECT },
	{ "started", VM_JSON_BOOL },
	{ "private", VM_JSON_OBJECT },
	{ "run", VM_JSON_OBJECT },
	{ "ssh", VM_JSON_OBJECT },
	{ "timing_ms", VM_JSON_OBJECT },
	{ "error", VM_JSON_OBJECT },
};

int
vm_records_add(struct vm_records *records, struct vm_json *record,
    struct vm_error *err)
{
	size_t room = records->count;
	struct vm_json **items;

	if (record == NULL)
		return vm_error_nomem(err);
	/* Room is doubled whenever the count is a power of two. */
	if ((room & (room - 1)) == 0) {
		items = reallocarray(records->items, room == 0 ? 1 : 2 * room,
		    sizeof(*items));
		if (items == NULL) {
			vm_json_free(record);
			return vm_error_nomem(err);
		}
		records->items = items;
	}
	records->items[records->count++] = record;
	return 0;
}

void
vm_records_release(struct vm_records *records)
{
	for (size_t i = 0; i < records->count; i++)
		vm_json_free(records->items[i]);
	free(records->items);
	*records = (struct vm_records){ 0 };
}

struct vm_json *
vm_record_new(const char *kind, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_json_new_object();

	if (record == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (vm_json_set_int(record, "vmpipe", 1, err) == -1 ||
	    vm_json_set_string(record, "kind", kind, err) == -1)
		return NULL;
	return VM_TAKE(record);
}

static int
bad(struct vm_error *err, const char *what)
{
	return vm_error_set(err, VM_E_DATA, "bad_record", "%s", what);
}

static int
check_version(const struct vm_json *record, struct vm_error *err)
{
	struct vm_json *version = vm_json_member(record, "vmpipe");

	if (version == NULL)
		return bad(err, "not a record: it has no \"vmpipe\"");
	if (vm_json_type(version) != VM_JSON_INT ||
	    vm_json_int(record, "vmpipe", 0) != 1)
		return vm_error_set(err, VM_E_CONFIG, "version",
		    "a record of another version of vmpipe");
	return 0;
}

static int
check_types(const struct vm_json *record, struct vm_error *err)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct vm_json *value = vm_json_member(record, members[i].name);

		if (value != NULL && vm_json_type(value) != members[i].type)
			return vm_error_set(err, VM_E_DATA, "bad_record",
			    "\"%s\" is of the wrong type", members[i].name);
	}
	return 0;
}

/* Names become paths, and indices names; an image's is only shown. */
static int
check_names(const struct vm_json *record, struct vm_error *err)
{
	static const char *const names[] = { "name", "service", "role" };
	const struct vm_json *indices = vm_json_member(record, "indices");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *name = vm_json_string(record, names[i], NULL);

		if (name == NULL || vm_record_check_name(name, err) == 0 ||
		    (i == 0 && !vm_record_is_kind(record, "vm")))
			continue;
		if (err != NULL)
			err->kind = VM_E_DATA;
		return vm_error_wrap(err, "\"%s\"", names[i]);
	}
	if (vm_json_int(record, "index", 1) < 1)
		return bad(err, "\"index\" is less than 1");
	for (size_t i = 0; i < vm_json_count(indices); i++) {
		char path[48];

		snprintf(path, sizeof(path), "indices.%zu", i);
		if (vm_json_int(record, path, 0) < 1)
			return bad(err,
			    "\"indices\" holds other than numbers "
			    "from 1");
	}
	return 0;
}

int
vm_record_check(const struct vm_json *record, struct vm_error *err)
{
	const char *kind;

	if (vm_json_type(record) != VM_JSON_OBJECT)
		return bad(err, "not a record: not a JSON object");
	if (check_version(record, err) == -1)
		return -1;
	kind = vm_json_string(record, "kind", NULL);
	if (kind == NULL)
		return bad(err, "not a record: it has no \"kind\"");
	if (check_types(record, err) == -1 || check_names(record, err) == -1)
		return -1;
	if (strcmp(kind, "vm") == 0 && !vm_record_is_failed(record) &&
	    vm_json_member(record, "name") == NULL)
		return bad(err, "a VM with no \"name\"");
	return 0;
}

bool
vm_record_is_kind(const struct vm_json *record, const char *kind)
{
	return strcmp(vm_json_string(record, "kind", ""), kind) == 0;
}

bool
vm_record_is_failed(const struct vm_json *record)
{
	return strcmp(vm_json_string(record, "state", ""), "failed") == 0;
}

const char *
vm_record_subject(const struct vm_json *record, char *out, size_t size)
{
	const char *name = vm_json_string(record, "name", NULL);
	const char *service = vm_json_string(record, "service", NULL);
	const char *role = vm_json_string(record, "role", NULL);

	if (name != NULL)
		snprintf(out, size, "%s", name);
	else if (service != NULL && role != NULL)
		snprintf(out, size, "%s/%s", service, role);
	else
		snprintf(out, size, "%s",
		    vm_json_string(record, "image.alias", "record"));
	return out;
}

/* A message may quote bytes that are no UTF-8; then it is shown escaped. */
static struct vm_json *
new_text(const char *text)
{
	char safe[2048];
	struct vm_json *json = vm_json_new_string(text);

	if (json != NULL)
		return json;
	return vm_json_new_string(vm_log_escape(text, safe, sizeof(safe)));
}

static struct vm_json *
new_error(const char *tool, const struct vm_error *failure,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *error = vm_json_new_object();

	if (error == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (vm_json_set_string(error, "tool", tool, err) == -1 ||
	    vm_json_set_int(error, "status", failure->kind, err) == -1 ||
	    vm_json_set_string(error, "code", failure->code, err) == -1 ||
	    vm_json_set(error, "message", new_text(failure->message), err) ==
		-1 ||
	    vm_json_set_bool(error, "retryable", vm_error_is_retryable(failure),
		err) == -1)
		return NULL;
	if (failure->hint[0] != '\0' &&
	    vm_json_set(error, "hint", new_text(failure->hint), err) == -1)
		return NULL;
	return VM_TAKE(error);
}

int
vm_record_fail(struct vm_json *record, const char *tool,
    const struct vm_error *failure, struct vm_error *err)
{
	struct vm_json *error = new_error(tool, failure, err);

	if (error == NULL || vm_json_set(record, "error", error, err) == -1)
		return -1;
	return vm_json_set_string(record, "state", "failed", err);
}

int
vm_record_failure(const struct vm_json *record, const char *tool,
    struct vm_error *failure)
{
	int64_t status = vm_json_int(record, "error.status", VM_E_MIXED);

	if (!vm_record_is_failed(record) ||
	    strcmp(vm_json_string(record, "error.tool", ""), tool) != 0)
		return 0;
	if (status <= 0 || status > 255)
		status = VM_E_MIXED;
	vm_error_set(failure, (enum vm_kind)status,
	    vm_json_string(record, "error.code", "failed"), "%s",
	    vm_json_string(record, "error.message", "failed"));
	if (vm_json_string(record, "error.hint", NULL) != NULL)
		vm_error_hint(failure, "%s",
		    vm_json_string(record, "error.hint", ""));
	return 1;
}

int
vm_record_step(struct vm_json *record, const char *state, const char *phase,
    long long ms, struct vm_error *err)
{
	char path[64];

	if (vm_json_set_string(record, "state", state, err) == -1)
		return -1;
	if (ms < 0)
		return 0;
	snprintf(path, sizeof(path), "timing_ms.%s", phase);
	return vm_json_set_int(record, path, ms, err);
}

int
vm_record_check_name(const char *name, struct vm_error *err)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	char safe[160];
	size_t len = strnlen(name, VM_NAME_MAX + 1);

	if (len > 0 && len <= VM_NAME_MAX && strchr(first, name[0]) != NULL &&
	    strspn(name, rest) == len)
		return 0;
	return vm_error_set(err, VM_E_USAGE, "bad_name",
	    "\"%s\" is no name: at most %d of a-z, 0-9 and -, not beginning "
	    "with -",
	    vm_log_escape(name, safe, sizeof(safe)), VM_NAME_MAX);
}
