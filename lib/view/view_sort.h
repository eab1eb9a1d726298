/*
 * view_sort.h - records in the order of one field; private to lib/view.
 */
#ifndef VM_VIEW_VIEW_SORT_H
#define VM_VIEW_VIEW_SORT_H

#include "lib/record/record.h"

/*
 * Numbers by size, text with numbers in it by these (web-2 before web-10,
 * strverscmp(3)), lists by their length, what is absent last; then by name.
 * field NULL: by name.
 */
void vm_view_sort(struct vm_records *records, const char *field,
    bool descending);

#endif
