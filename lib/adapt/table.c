#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>

#include "lib/adapt/table.h"

struct vm_table {
	struct libscols_table *table;
	size_t columns;
	struct libscols_line **lines; /* to find parents by number */
	size_t count;
};

/* libsmartcols answers with a negative errno. */
static int
fail(int rc, struct vm_error *err)
{
	if (rc == -ENOMEM)
		return vm_error_nomem(err);
	return vm_error_errno(err, -rc, "table");
}

struct vm_table *
vm_table_new(const struct vm_table_column *columns, size_t count, bool tree,
    struct vm_error *err)
{
	VM_CLEAN_TABLE struct vm_table *table = calloc(1, sizeof(*table));

	if (table == NULL || (table->table = scols_new_table()) == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	table->columns = count;
	/* Cells are safe already; escapes in them are not escaped again. */
	scols_table_enable_noencoding(table->table, 1);
	for (size_t i = 0; i < count; i++) {
		int flags = columns[i].right ? SCOLS_FL_RIGHT : 0;

		if (tree && i == 0)
			flags |= SCOLS_FL_TREE;
		if (scols_table_new_column(table->table, columns[i].title, 0,
			flags) == NULL) {
			vm_error_nomem(err);
			return NULL;
		}
	}
	return VM_TAKE(table);
}

void
vm_table_free(struct vm_table *table)
{
	if (table == NULL)
		return;
	scols_unref_table(table->table);
	free(table->lines);
	free(table);
}

void
vm_table_clean(struct vm_table **table)
{
	vm_table_free(*table);
}

static int
remember(struct vm_table *table, struct libscols_line *line,
    struct vm_error *err)
{
	size_t n = table->count;
	struct libscols_line **lines;

	/* Room is doubled whenever the count is a power of two. */
	if ((n & (n - 1)) == 0) {
		lines = reallocarray(table->lines, n == 0 ? 1 : 2 * n,
		    sizeof(*lines));
		if (lines == NULL)
			return vm_error_nomem(err);
		table->lines = lines;
	}
	table->lines[table->count++] = line;
	return 0;
}

int
vm_table_add(struct vm_table *table, const char *const *cells, size_t parent,
    struct vm_error *err)
{
	struct libscols_line *above = NULL, *line;

	if (parent < table->count)
		above = table->lines[parent];
	line = scols_table_new_line(table->table, above);
	if (line == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < table->columns; i++) {
		int rc = scols_line_set_data(line, i, cells[i]);

		if (rc != 0)
			return fail(rc, err);
	}
	return remember(table, line, err);
}

int
vm_table_format(struct vm_table *table, struct vm_buf *out,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *text = NULL;
	int rc;

	if (table->count == 0)
		return 0;
	rc = scols_print_table_to_string(table->table, &text);
	if (rc != 0)
		return fail(rc, err);
	if (vm_buf_add_string(out, text, err) == -1)
		return -1;
	/* Some versions end the last line, some do not. */
	if (out->data[out->len - 1] == '\n')
		return 0;
	return vm_buf_add_string(out, "\n", err);
}
