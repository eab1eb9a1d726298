/*
 * output_table.h - records as rows of text; private to output*.c.
 */
#ifndef VM_RECORD_OUTPUT_TABLE_H
#define VM_RECORD_OUTPUT_TABLE_H

#include "lib/record/output.h"

#define VM_OUTPUT_COLUMNS 64

struct vm_output_column {
	char path[128];
	char title[64];
	bool size;
};

struct vm_output_columns {
	struct vm_output_column items[VM_OUTPUT_COLUMNS];
	size_t count;
};

/* "a,b.c" taken apart; VM_E_USAGE for an empty name or too many. */
int vm_output_parse_fields(const struct vm_output *output, const char *fields,
    struct vm_output_columns *columns, struct vm_error *err) VM_MUST_CHECK;

/* Say which fields look mistyped: not known, and in no record. */
void vm_output_warn_unknown(const struct vm_output *output,
    const struct vm_output_columns *columns, const struct vm_records *records);

/* One line per record, values separated by tabs; `safe` for a terminal. */
int vm_output_format_tabs(const struct vm_output_columns *columns, bool exact,
    bool safe, const struct vm_records *records, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

int vm_output_format_table(const struct vm_output_columns *columns, bool exact,
    const struct vm_records *records, struct vm_buf *out, struct vm_error *err)
    VM_MUST_CHECK;

#endif
