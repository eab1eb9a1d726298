/*
 * input.h - operands or stdin: what a command of the pipe works on.
 *
 * An operand with "://" is a URL, with "/" a path, ending in .yaml or .yml (or
 * "-") a manifest, else a name.  A line of stdin that begins with "{" is a
 * record, any other non-empty one a name.  With no operands stdin is read to
 * its end; when stdin is a terminal and there are no operands, VM_E_USAGE.
 */
#ifndef VM_RECORD_INPUT_H
#define VM_RECORD_INPUT_H

#include "lib/record/record.h"

enum vm_operand {
	VM_OPERAND_NAME,
	VM_OPERAND_URL,
	VM_OPERAND_PATH,
	VM_OPERAND_MANIFEST
};

enum vm_operand vm_input_classify(const char *operand);

/*
 * Turns a name into a record of its own (from the store).  Failing it makes a
 * failed record {"kind":"vm","name":name} with that error.
 */
typedef struct vm_json *vm_input_resolve(void *context, const char *name,
    struct vm_error *err);

struct vm_input {
	int fd;		 /* usually 0 */
	char **operands; /* names; then fd is not read */
	size_t operand_count;
	bool allow_empty;	   /* -r; else none: VM_E_NO_INPUT */
	bool any_name;		   /* resolve says what a name is: NAME@TAG */
	vm_input_resolve *resolve; /* NULL: names are not accepted */
	void *context;
};

/*
 * Read everything.  A bad line becomes a failed record in its place (tool is
 * the error's tool) and its kind is noted with vm_cli_note(); no record at all
 * and not allow_empty: VM_E_NO_INPUT "no_input".
 */
int vm_input_read(const struct vm_input *input, const char *tool,
    struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

#endif
