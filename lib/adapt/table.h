/*
 * table.h - text in columns for a person (libsmartcols).
 *
 * Cells must be safe for a terminal already (vm_log_escape()); widths follow
 * the locale.  A row may be the child of an earlier one: then the first column
 * is drawn as a tree.
 */
#ifndef VM_ADAPT_TABLE_H
#define VM_ADAPT_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/clean.h"
#include "lib/base/error.h"

struct vm_table;

#define VM_TABLE_NO_PARENT ((size_t)-1)

struct vm_table_column {
	const char *title;
	bool right; /* numbers */
};

/* Columns are copied; `tree` makes the first one a tree. */
struct vm_table *vm_table_new(const struct vm_table_column *columns,
    size_t count, bool tree, struct vm_error *err) VM_MUST_CHECK;
void vm_table_free(struct vm_table *table);
void vm_table_clean(struct vm_table **table);
#define VM_CLEAN_TABLE VM_CLEAN(vm_table_clean)

/* Rows are numbered from 0; cells (as many as columns) are copied. */
int vm_table_add(struct vm_table *table, const char *const *cells,
    size_t parent, struct vm_error *err) VM_MUST_CHECK;

/* Append it to out, header first; nothing when it has no rows. */
int vm_table_format(struct vm_table *table, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

#endif
