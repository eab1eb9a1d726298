#include <string.h>

#include "lib/adapt/table.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/view/view.h"

#define DEPTH_MAX 128 /* what is deeper is drawn there */

static const char *
format_size(const struct vm_json *record, const char *field, bool exact,
    char out[VM_SIZE_TEXT])
{
	int64_t bytes = vm_json_int(record, field, -1);

	if (bytes < 0)
		return "-";
	return vm_size_format((uint64_t)bytes, exact, out);
}

static int
add_row(struct vm_table *table, const struct vm_json *record, bool exact,
    size_t parent, struct vm_error *err)
{
	char used[VM_SIZE_TEXT], refer[VM_SIZE_TEXT];
	char name[256], state[64], note[512];
	const char *cells[] = {
		vm_log_escape(vm_json_string(record, "name", "-"), name,
		    sizeof(name)),
		vm_json_string(record, "kind", "-"),
		vm_log_escape(vm_json_string(record, "state", "-"), state,
		    sizeof(state)),
		format_size(record, "used", exact, used),
		format_size(record, "refer", exact, refer),
		vm_log_escape(vm_json_string(record, "note", "-"), note,
		    sizeof(note)),
	};

	return vm_table_add(table, cells, parent, err);
}

int
vm_view_tree(const struct vm_records *records, bool exact, struct vm_buf *out,
    struct vm_error *err)
{
	static const struct vm_table_column heads[] = { { "NAME", false },
		{ "KIND", false }, { "STATE", false }, { "USED", true },
		{ "REFER", true }, { "NOTE", false } };
	VM_CLEAN_TABLE struct vm_table *table = vm_table_new(heads,
	    sizeof(heads) / sizeof(heads[0]), true, err);
	size_t above[DEPTH_MAX + 1] = {
		0
	}; /* the row that the next deeper is on */

	if (table == NULL)
		return -1;
	for (size_t i = 0; i < records->count; i++) {
		const struct vm_json *record = records->items[i];
		int64_t depth = vm_json_int(record, "depth", 0);

		if (depth < 0 || depth > DEPTH_MAX)
			depth = DEPTH_MAX;
		if (add_row(table, record, exact,
			depth == 0 ? VM_TABLE_NO_PARENT : above[depth - 1],
			err) == -1)
			return -1;
		above[depth] = i;
	}
	return vm_table_format(table, out, err);
}
