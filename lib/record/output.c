#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/adapt/table.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/record/output_table.h"

/* Written out whenever more than this has come together. */
#define FLUSH_AT ((size_t)64 << 10)

static const struct vm_output_field pipe_fields[] = {
	{ "kind", NULL, false, "vm or image" },
	{ "name", NULL, false, "the VM's name" },
	{ "state", NULL, false, "fetched, cloned, customized, running, ..." },
	{ "service", NULL, false, "service of the manifest" },
	{ "role", NULL, false, "role in the service" },
	{ "index", NULL, false, "number within the role, from 1" },
	{ "host", NULL, false, "host it is on" },
	{ "drift", NULL, false, "in what it differs from what is asked for" },
	{ "image.alias", "IMAGE", false, "alias of its image" },
	{ "image.generation", "GEN", false, "generation of that alias" },
	{ "image.id", "IMAGE-ID", false, "SHA-256 of the published image" },
	{ "image.virtual_size", "SIZE", true, "size of the image's disk" },
	{ "disks.0.path", "DISK", false, "path of its disk" },
	{ "disks.0.mode", "MODE", false, "overlay, reflink or copy" },
	{ "ephemeral", NULL, false, "is it removed when it stops?" },
	{ "identity.uuid", NULL, false, "UUID" },
	{ "identity.hostname", NULL, false, "host name in the guest" },
	{ "identity.nics.0.address", NULL, false, "address of its first NIC" },
	{ "identity.nics.0.mac", NULL, false, "MAC of its first NIC" },
	{ "ssh.user", NULL, false, "user that vmssh logs in as" },
	{ "ssh.host", "SSH-HOST", false, "address that vmssh connects to" },
	{ "ssh.port", NULL, false, "port that vmssh connects to" },
	{ "spec.cpus", NULL, false, "processors asked for" },
	{ "spec.memory", NULL, false, "memory asked for" },
	{ "exported.path", "FILE", false, "file that vmexport has written" },
	{ "exported.format", "FORMAT", false, "its format" },
	{ "exported.size", "BYTES", true, "its size" },
	{ "exported.sha256", "SHA256", false, "its SHA-256" },
	{ "error.tool", NULL, false, "command that failed" },
	{ "error.code", "ERROR", false, "word for what failed" },
	{ "error.message", NULL, false, "what failed" },
	{ "timing_ms", "TIMING", false, "milliseconds each step took" },
	{ 0 },
};

const struct vm_output vm_output_pipe = {
	.known = pipe_fields,
	.fields = "name,service,role,state,image.alias,image.generation,"
		  "identity.nics.0.address,ssh.port,drift",
};

/* --- JSON Lines ----------------------------------------------------------- */

static int
flush(struct vm_buf *out, size_t above, struct vm_error *err)
{
	if (out->len <= above)
		return 0;
	if (vm_fd_write(STDOUT_FILENO, out->data, out->len, "standard output",
		err) == -1)
		return -1;
	vm_buf_reset(out);
	return 0;
}

static struct vm_json *
new_like(const struct vm_json *value)
{
	return vm_json_type(value) == VM_JSON_ARRAY ? vm_json_new_array() :
						      vm_json_new_object();
}

/* Put value (taken) at name, which may be an index beyond an array's end. */
static int
put(struct vm_json *to, const char *name, struct vm_json *value,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *owned = value;

	if (vm_json_type(to) == VM_JSON_ARRAY) {
		size_t index = strtoul(name, NULL, 10);

		while (vm_json_count(to) < index)
			if (vm_json_append(to, vm_json_new_null(), err) == -1)
				return -1;
	}
	return vm_json_set(to, name, VM_TAKE(owned), err);
}

/* Copy what is at path to the same path; what is absent stays so. */
static int
pick(const struct vm_json *from, const char *path, struct vm_json *to,
    struct vm_error *err)
{
	char name[sizeof(((struct vm_output_column *)0)->path)];
	size_t len = strcspn(path, ".");
	const struct vm_json *value;

	if (vm_json_get(from, path) == NULL)
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)len, path);
	value = vm_json_get(from, name);
	if (path[len] == '\0')
		return put(to, name, vm_json_copy(value), err);
	/* Nothing there yet, or the null that keeps an array's place. */
	if (vm_json_count(vm_json_get(to, name)) == 0 &&
	    put(to, name, new_like(value), err) == -1)
		return -1;
	return pick(value, path + len + 1, vm_json_get(to, name), err);
}

/* What may be printed of it: a new value. */
/* What is of use in the store only. */
static const char *const inner[] = { "private", "chain", "lock_inode" };

#define INNERS (sizeof(inner) / sizeof(inner[0]))

static bool
has_inner(const struct vm_json *record)
{
	for (size_t i = 0; i < INNERS; i++)
		if (vm_json_member(record, inner[i]) != NULL)
			return true;
	return false;
}

static struct vm_json *
make_public(const struct vm_json *record,
    const struct vm_output_columns *columns, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *copy = NULL;

	copy = columns != NULL ? vm_json_new_object() : vm_json_copy(record);
	if (copy == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	for (size_t i = 0; columns != NULL && i < columns->count; i++)
		if (pick(record, columns->items[i].path, copy, err) == -1)
			return NULL;
	for (size_t i = 0; columns == NULL && i < INNERS; i++)
		vm_json_delete(copy, inner[i]);
	return VM_TAKE(copy);
}

static int
add_json(const struct vm_json *record, const struct vm_output_columns *columns,
    struct vm_buf *out, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *copy = NULL;

	if (columns != NULL || has_inner(record)) {
		copy = make_public(record, columns, err);
		if (copy == NULL)
			return -1;
		record = copy;
	}
	if (vm_json_format(record, false, out, err) == -1)
		return -1;
	return vm_buf_add_string(out, "\n", err);
}

static int
write_json(const struct vm_records *records,
    const struct vm_output_columns *columns, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf out = { 0 };

	for (size_t i = 0; i < records->count; i++)
		if (add_json(records->items[i], columns, &out, err) == -1 ||
		    flush(&out, FLUSH_AT, err) == -1)
			return -1;
	return flush(&out, 0, err);
}

/* --- any form ------------------------------------------------------------- */

static bool
wants_json(const struct vm_output *output, const struct vm_cli_values *values)
{
	if (values->json)
		return true;
	return !values->no_header && !output->table_always &&
	    !isatty(STDOUT_FILENO);
}

/* "private" is for nobody's eyes, however it is asked for. */
static int
refuse_private(const struct vm_output_columns *columns, struct vm_error *err)
{
	for (size_t i = 0; i < columns->count; i++) {
		const char *path = columns->items[i].path;

		if (strncmp(path, "private", 7) == 0 &&
		    (path[7] == '\0' || path[7] == '.'))
			return vm_error_set(err, VM_E_DENIED, "private",
			    "-o %s: private members are not printed", path);
	}
	return 0;
}

static int
parse_fields(const struct vm_output *output, const char *fields,
    struct vm_output_columns *columns, struct vm_error *err)
{
	if (vm_output_parse_fields(output, fields, columns, err) == -1)
		return -1;
	return refuse_private(columns, err);
}

int
vm_output_write(const struct vm_output *output,
    const struct vm_cli_values *values, const struct vm_records *records,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf out = { .max = (size_t)1 << 30 };
	const char *fields = values->fields;
	struct vm_output_columns columns;
	bool safe = isatty(STDOUT_FILENO);
	int rc;

	if (parse_fields(output, fields != NULL ? fields : output->fields,
		&columns, err) == -1)
		return -1;
	vm_output_warn_unknown(output, &columns, records);
	if (wants_json(output, values))
		return write_json(records, fields != NULL ? &columns : NULL,
		    err);
	if (values->no_header)
		rc = vm_output_format_tabs(&columns, values->exact, safe,
		    records, &out, err);
	else
		rc = vm_output_format_table(&columns, values->exact, records,
		    &out, err);
	return rc == -1 ? -1 : flush(&out, 0, err);
}

static int
write_help(const struct vm_output *output, struct vm_error *err)
{
	static const struct vm_table_column heads[] = { { "FIELD", false },
		{ "MEANING", false } };
	VM_CLEAN_TABLE struct vm_table *table = vm_table_new(heads, 2, false,
	    err);
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	const struct vm_output_field *field;

	if (table == NULL)
		return -1;
	for (field = output->known; field->path != NULL; field++) {
		const char *cells[] = { field->path, field->help };

		if (vm_table_add(table, cells, VM_TABLE_NO_PARENT, err) == -1)
			return -1;
	}
	if (vm_table_format(table, &out, err) == -1)
		return -1;
	return flush(&out, 0, err);
}

bool
vm_output_help(const struct vm_output *output,
    const struct vm_cli_values *values)
{
	struct vm_output_columns columns;
	struct vm_error err = { 0 };
	int rc;

	if (values->fields == NULL)
		return false;
	if (strcmp(values->fields, "help") == 0)
		rc = write_help(output, &err);
	else {
		rc = parse_fields(output, values->fields, &columns, &err);
		if (rc == 0)
			return false;
	}
	if (rc == -1) {
		vm_log_failure(&err);
		vm_cli_note(err.kind);
	}
	return true;
}

/* --- the end of a command ------------------------------------------------- */

static void
report(const struct vm_json *record, struct vm_error *failure)
{
	char subject[256];
	size_t len;

	vm_record_subject(record, subject, sizeof(subject));
	len = strlen(subject);
	/* A record of which nothing is known has its line in the message. */
	if (strcmp(subject, "record") != 0 &&
	    (strncmp(failure->message, subject, len) != 0 ||
		failure->message[len] != ':'))
		vm_error_wrap(failure, "%s", subject);
	if (failure->hint[0] == '\0' && strcmp(failure->code, "no_space") == 0)
		vm_error_hint(failure, "vmdoctor");
	vm_log_failure(failure);
	vm_cli_note(failure->kind);
}

void
vm_output_report(const char *tool, const struct vm_records *records)
{
	bool interrupted = false;
	size_t ours = 0, all = 0;

	for (size_t i = 0; i < records->count; i++) {
		const struct vm_json *record = records->items[i];
		struct vm_error failure = { 0 };

		all += vm_record_is_failed(record);
		if (vm_record_failure(record, tool, &failure) == 0)
			continue;
		ours++;
		/* One ^C is one line, however many it has stopped. */
		if (failure.kind == VM_E_INTERRUPTED && interrupted)
			continue;
		interrupted |= failure.kind == VM_E_INTERRUPTED;
		report(record, &failure);
	}
	if (ours == 0 && all > 0)
		vm_cli_note(VM_E_MIXED);
}

int
vm_output_finish(const struct vm_output *output,
    const struct vm_cli_values *values, const char *tool,
    const struct vm_records *records, struct vm_error *err)
{
	vm_output_report(tool, records);
	return vm_output_write(output, values, records, err);
}

/* The record that tells the next command of a pipe why nothing comes. */
static int
write_failed(const struct vm_output *output, const struct vm_cli_values *values,
    const char *tool, const struct vm_error *failure, struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	struct vm_json *record = vm_record_new(output->makes_images ? "image" :
								      "vm",
	    err);

	if (record == NULL || vm_records_add(&records, record, err) == -1 ||
	    vm_record_fail(record, tool, failure, err) == -1)
		return -1;
	return vm_output_write(output, values, &records, err);
}

int
vm_output_fail(const struct vm_output *output,
    const struct vm_cli_values *values, const char *tool,
    const struct vm_error *failure)
{
	struct vm_error err = { 0 };

	/* When stdout is what failed, that has been said already. */
	if (failure->kind != VM_E_USAGE && wants_json(output, values) &&
	    write_failed(output, values, tool, failure, &err) == -1 &&
	    failure->kind != err.kind)
		vm_log_failure(&err);
	return vm_cli_fail(failure);
}
