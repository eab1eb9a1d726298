#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cli.h"
#include "lib/base/proc.h"
#include "lib/record/input.h"

#define CHUNK ((size_t)64 << 10)

/* stdin as lines. */
struct reader {
	int fd;
	struct vm_buf buf;
	size_t start; /* of the next line in buf */
	bool ended;
	bool skipping; /* a line that is too long */
};

static void
release_reader(struct reader *reader)
{
	vm_buf_release(&reader->buf);
}

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

enum vm_operand
vm_input_classify(const char *operand)
{
	if (strstr(operand, "://") != NULL)
		return VM_OPERAND_URL;
	if (strcmp(operand, "-") == 0 || ends_with(operand, ".yaml") ||
	    ends_with(operand, ".yml"))
		return VM_OPERAND_MANIFEST;
	if (strchr(operand, '/') != NULL)
		return VM_OPERAND_PATH;
	return VM_OPERAND_NAME;
}

/* --- lines --------------------------------------------------------------- */

/* One read(2): a signal that asks us to stop ends the wait for input. */
static int
read_more(struct reader *reader, struct vm_error *err)
{
	struct vm_buf *buf = &reader->buf;
	ssize_t n;

	vm_buf_consume(buf, reader->start);
	reader->start = 0;
	if (vm_buf_reserve(buf, CHUNK, err) == -1)
		return -1;
	do {
		if (vm_proc_check_stop(err) == -1)
			return -1;
		n = read(reader->fd, buf->data + buf->len, CHUNK);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return vm_error_errno(err, errno, "standard input");
	reader->ended = n == 0;
	buf->len += (size_t)n;
	buf->data[buf->len] = '\0';
	return 0;
}

/*
 * The next line without its newline, 1; nothing left, 0.  A line longer than
 * a record may be is dropped while it is read and comes as NULL.
 */
static int
next_line(struct reader *reader, char **line, size_t *len, struct vm_error *err)
{
	struct vm_buf *buf = &reader->buf;
	size_t rest = 0;
	char *end = NULL;

	while (!reader->ended || buf->len > reader->start) {
		rest = buf->len - reader->start;
		if (rest > 0)
			end = memchr(buf->data + reader->start, '\n', rest);
		if (end != NULL || reader->ended)
			break;
		if (rest > VM_RECORD_MAX) {
			reader->skipping = true;
			reader->start = buf->len;
		}
		if (read_more(reader, err) == -1)
			return -1;
		rest = 0;
	}
	if (rest == 0 && !reader->skipping)
		return 0;
	*line = buf->data + reader->start;
	*len = end != NULL ? (size_t)(end - *line) : rest;
	reader->start += *len + (end != NULL);
	if (reader->skipping || *len > VM_RECORD_MAX)
		*line = NULL;
	else
		(*line)[*len] = '\0';
	reader->skipping = false;
	return 1;
}

/* --- one record ---------------------------------------------------------- */

/* In place of what could not be used; its name (of NAME@TAG) if it is one. */
static struct vm_json *
new_failed(const char *word, const char *tool, const struct vm_error *failure,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_record_new("vm", err);
	VM_CLEAN_FREE char *name = word == NULL ?
	    NULL :
	    vm_buf_printf(err, "%.*s", (int)strcspn(word, "@"), word);

	if (record == NULL || (word != NULL && name == NULL))
		return NULL;
	if (name != NULL && vm_record_check_name(name, NULL) == 0 &&
	    vm_json_set_string(record, "name", name, err) == -1)
		return NULL;
	if (vm_record_fail(record, tool, failure, err) == -1)
		return NULL;
	vm_cli_note(failure->kind);
	return VM_TAKE(record);
}

static struct vm_json *
resolve_name(const struct vm_input *input, const char *name,
    struct vm_error *failure)
{
	if (input->resolve == NULL) {
		vm_error_set(failure, VM_E_DATA, "bad_record",
		    "not a record, and names mean nothing here");
		return NULL;
	}
	if (!input->any_name && vm_record_check_name(name, failure) == -1)
		return NULL;
	return input->resolve(input->context, name, failure);
}

static struct vm_json *
parse_record(const char *line, size_t len, struct vm_error *failure)
{
	VM_CLEAN_JSON struct vm_json *record = vm_json_parse(line, len,
	    failure);

	if (record == NULL || vm_record_check(record, failure) == -1)
		return NULL;
	return VM_TAKE(record);
}

/* Spaces around a name, and a carriage return behind it, are not part of it. */
static char *
trim(char *line, size_t *len)
{
	while (*len > 0 && strchr(" \t\r", line[*len - 1]) != NULL &&
	    line[*len - 1] != '\0')
		line[--*len] = '\0';
	while (*line == ' ' || *line == '\t') {
		line++;
		--*len;
	}
	return line;
}

/* line NULL: it was too long.  NULL with failure clear: an empty line. */
static struct vm_json *
parse_line(const struct vm_input *input, char *line, size_t len,
    struct vm_error *failure)
{
	if (line == NULL) {
		vm_error_set(failure, VM_E_DATA, "bad_record",
		    "longer than %zu bytes", VM_RECORD_MAX);
		return NULL;
	}
	line = trim(line, &len);
	if (len == 0)
		return NULL;
	if (line[0] == '{')
		return parse_record(line, len, failure);
	if (strlen(line) != len) {
		vm_error_set(failure, VM_E_DATA, "bad_record",
		    "a NUL byte in a name");
		return NULL;
	}
	return resolve_name(input, line, failure);
}

/* --- all of them --------------------------------------------------------- */

static int
read_operands(const struct vm_input *input, const char *tool,
    struct vm_records *records, struct vm_error *err)
{
	for (size_t i = 0; i < input->operand_count; i++) {
		const char *name = input->operands[i];
		struct vm_error failure = { 0 };
		struct vm_json *record = resolve_name(input, name, &failure);

		if (record == NULL)
			record = new_failed(name, tool, &failure, err);
		if (record == NULL ||
		    vm_records_add(records, record, err) == -1)
			return -1;
	}
	return 0;
}

/* A message about a line that is no record says which line. */
static int
add_line(const struct vm_input *input, char *line, size_t len, size_t number,
    const char *tool, struct vm_records *records, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	struct vm_json *record = parse_line(input, line, len, &failure);
	bool is_name = line != NULL && strchr(line, '{') == NULL;

	if (record == NULL && !vm_error_is_set(&failure))
		return 0;
	if (record == NULL) {
		if (!is_name || failure.kind == VM_E_USAGE)
			vm_error_wrap(&failure, "standard input:%zu", number);
		record = new_failed(is_name ? trim(line, &len) : NULL, tool,
		    &failure, err);
	}
	if (record == NULL)
		return -1;
	return vm_records_add(records, record, err);
}

static int
read_lines(const struct vm_input *input, const char *tool,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN(release_reader) struct reader reader = { .fd = input->fd };
	size_t len = 0;
	char *line;
	int rc;

	for (size_t number = 1;
	     (rc = next_line(&reader, &line, &len, err)) == 1; number++)
		if (add_line(input, line, len, number, tool, records, err) ==
		    -1)
			return -1;
	return rc;
}

int
vm_input_read(const struct vm_input *input, const char *tool,
    struct vm_records *records, struct vm_error *err)
{
	if (input->operand_count > 0)
		return read_operands(input, tool, records, err);
	if (isatty(input->fd)) {
		vm_error_set(err, VM_E_USAGE, "usage",
		    "nothing to work on: give names, or records on standard "
		    "input");
		return vm_error_hint(err, "%s --help", tool);
	}
	if (read_lines(input, tool, records, err) == -1)
		return -1;
	if (records->count == 0 && !input->allow_empty) {
		vm_error_set(err, VM_E_NO_INPUT, "no_input",
		    "no input: neither names nor records");
		return vm_error_hint(err, "%s -r, if that is fine", tool);
	}
	return 0;
}
