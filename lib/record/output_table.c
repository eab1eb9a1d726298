#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/adapt/table.h"
#include "lib/base/log.h"
#include "lib/base/nearest.h"
#include "lib/base/size.h"
#include "lib/record/output_table.h"

static const struct vm_output_field *
find_field(const struct vm_output *output, const char *path)
{
	const struct vm_output_field *field = output->known;

	for (; field != NULL && field->path != NULL; field++)
		if (strcmp(field->path, path) == 0)
			return field;
	return NULL;
}

/* "identity.nics.0.address" becomes ADDRESS. */
static void
make_title(struct vm_output_column *column)
{
	const char *dot = strrchr(column->path, '.');

	snprintf(column->title, sizeof(column->title), "%s",
	    dot != NULL ? dot + 1 : column->path);
	for (char *c = column->title; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
}

static int
add_field(const struct vm_output *output, const char *path, size_t len,
    struct vm_output_columns *columns, struct vm_error *err)
{
	struct vm_output_column *column = &columns->items[columns->count];
	const struct vm_output_field *field;

	if (len == 0)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "-o: an empty field name");
	if (path[0] == '-')
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "-o: \"%.40s\" is no field; -o help lists them", path);
	if (columns->count == VM_OUTPUT_COLUMNS || len >= sizeof(column->path))
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "-o: more than %d fields, or a very long one",
		    VM_OUTPUT_COLUMNS);
	memcpy(column->path, path, len);
	column->path[len] = '\0';
	field = find_field(output, column->path);
	column->size = field != NULL && field->size;
	if (field != NULL && field->title != NULL)
		snprintf(column->title, sizeof(column->title), "%s",
		    field->title);
	else
		make_title(column);
	columns->count++;
	return 0;
}

int
vm_output_parse_fields(const struct vm_output *output, const char *fields,
    struct vm_output_columns *columns, struct vm_error *err)
{
	columns->count = 0;
	for (;;) {
		size_t len = strcspn(fields, ",");

		if (add_field(output, fields, len, columns, err) == -1)
			return -1;
		if (fields[len] == '\0')
			return 0;
		fields += len + 1;
	}
}

static bool
is_in_any(const struct vm_records *records, const char *path)
{
	for (size_t i = 0; i < records->count; i++)
		if (vm_json_get(records->items[i], path) != NULL)
			return true;
	return false;
}

void
vm_output_warn_unknown(const struct vm_output *output,
    const struct vm_output_columns *columns, const struct vm_records *records)
{
	for (size_t i = 0; i < columns->count && records->count > 0; i++) {
		const char *path = columns->items[i].path;
		struct vm_nearest nearest = { .word = path };
		const struct vm_output_field *field;

		if (find_field(output, path) != NULL ||
		    is_in_any(records, path))
			continue;
		for (field = output->known;
		     field != NULL && field->path != NULL; field++)
			vm_nearest_offer(&nearest, field->path);
		if (nearest.best != NULL)
			vm_log(VM_LOG_WARN,
			    "-o %s: no record has it (did you mean %s?)", path,
			    nearest.best);
	}
}

/* --- one value ----------------------------------------------------------- */

static int
add_int(int64_t number, bool size, bool exact, struct vm_buf *out,
    struct vm_error *err)
{
	char text[VM_SIZE_TEXT];

	if (!size || exact || number < 0)
		return vm_buf_format(out, err, "%" PRId64, number);
	return vm_buf_add_string(out,
	    vm_size_format((uint64_t)number, false, text), err);
}

static bool
is_list_of_words(const struct vm_json *value)
{
	if (vm_json_type(value) != VM_JSON_ARRAY)
		return false;
	for (size_t i = 0; i < vm_json_count(value); i++)
		if (vm_json_text(vm_json_at(value, i)) == NULL)
			return false;
	return true;
}

/* "image,disk" */
static int
add_list(const struct vm_json *list, struct vm_buf *out, struct vm_error *err)
{
	for (size_t i = 0; i < vm_json_count(list); i++) {
		if (i > 0 && vm_buf_add_string(out, ",", err) == -1)
			return -1;
		if (vm_buf_add_string(out, vm_json_text(vm_json_at(list, i)),
			err) == -1)
			return -1;
	}
	return 0;
}

/* The value as text, "-" when there is none. */
static int
add_value(const struct vm_output_column *column, bool exact,
    const struct vm_json *record, struct vm_buf *out, struct vm_error *err)
{
	const struct vm_json *value = vm_json_get(record, column->path);
	size_t before = out->len;

	switch (vm_json_type(value)) {
	case VM_JSON_NONE:
	case VM_JSON_NULL:
		break;
	case VM_JSON_STRING:
		if (vm_buf_add_string(out, vm_json_text(value), err) == -1)
			return -1;
		break;
	case VM_JSON_INT:
		return add_int(vm_json_int(record, column->path, 0),
		    column->size, exact, out, err);
	case VM_JSON_ARRAY:
	case VM_JSON_OBJECT:
	case VM_JSON_BOOL:
	case VM_JSON_REAL:
		if (is_list_of_words(value)) {
			if (add_list(value, out, err) == -1)
				return -1;
			break;
		}
		return vm_json_format(value, false, out, err);
	}
	return out->len > before ? 0 : vm_buf_add_string(out, "-", err);
}

/* In text of ours: \t \n \r and \\ so that a line stays a line. */
static int
add_escaped(const char *text, struct vm_buf *out, struct vm_error *err)
{
	static const char plain[] = "\t\n\r\\", letters[] = "tnr\\";

	while (*text != '\0') {
		size_t len = strcspn(text, plain);

		if (vm_buf_add(out, text, len, err) == -1)
			return -1;
		text += len;
		if (*text == '\0')
			break;
		if (vm_buf_format(out, err, "\\%c",
			letters[strchr(plain, *text) - plain]) == -1)
			return -1;
		text++;
	}
	return 0;
}

/* A terminal must not be driven by what is printed on it. */
static int
add_safe(const char *text, struct vm_buf *out, struct vm_error *err)
{
	size_t size = 4 * strlen(text) + 1;
	VM_CLEAN_FREE char *safe = malloc(size);

	if (safe == NULL)
		return vm_error_nomem(err);
	return vm_buf_add_string(out, vm_log_escape(text, safe, size), err);
}

/* --- all of them --------------------------------------------------------- */

static int
add_tab_line(const struct vm_output_columns *columns, bool exact, bool safe,
    const struct vm_json *record, struct vm_buf *out, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf cell = { 0 };

	for (size_t i = 0; i < columns->count; i++) {
		vm_buf_reset(&cell);
		if (i > 0 && vm_buf_add_string(out, "\t", err) == -1)
			return -1;
		if (add_value(&columns->items[i], exact, record, &cell, err) ==
		    -1)
			return -1;
		if ((safe ? add_safe : add_escaped)(cell.data, out, err) == -1)
			return -1;
	}
	return vm_buf_add_string(out, "\n", err);
}

int
vm_output_format_tabs(const struct vm_output_columns *columns, bool exact,
    bool safe, const struct vm_records *records, struct vm_buf *out,
    struct vm_error *err)
{
	for (size_t i = 0; i < records->count; i++)
		if (add_tab_line(columns, exact, safe, records->items[i], out,
			err) == -1)
			return -1;
	return 0;
}

/* All cells of a row in one buffer, a NUL behind each. */
static int
add_row(struct vm_table *table, const struct vm_output_columns *columns,
    bool exact, const struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf raw = { 0 }, row = { 0 };
	size_t at[VM_OUTPUT_COLUMNS];
	const char *cells[VM_OUTPUT_COLUMNS];

	for (size_t i = 0; i < columns->count; i++) {
		at[i] = row.len;
		vm_buf_reset(&raw);
		if (add_value(&columns->items[i], exact, record, &raw, err) ==
			-1 ||
		    add_safe(raw.data, &row, err) == -1 ||
		    vm_buf_add(&row, "", 1, err) == -1)
			return -1;
	}
	for (size_t i = 0; i < columns->count; i++)
		cells[i] = row.data + at[i];
	return vm_table_add(table, cells, VM_TABLE_NO_PARENT, err);
}

int
vm_output_format_table(const struct vm_output_columns *columns, bool exact,
    const struct vm_records *records, struct vm_buf *out, struct vm_error *err)
{
	VM_CLEAN_TABLE struct vm_table *table = NULL;
	struct vm_table_column heads[VM_OUTPUT_COLUMNS];

	for (size_t i = 0; i < columns->count; i++)
		heads[i] = (struct vm_table_column){
			.title = columns->items[i].title,
			.right = columns->items[i].size,
		};
	table = vm_table_new(heads, columns->count, false, err);
	if (table == NULL)
		return -1;
	for (size_t i = 0; i < records->count; i++)
		if (add_row(table, columns, exact, records->items[i], err) ==
		    -1)
			return -1;
	return vm_table_format(table, out, err);
}
