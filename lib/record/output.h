/*
 * output.h - records on stdout: JSON Lines for a program, a table for a person.
 *
 * -o a,b.c picks members by path (JSON Lines hold only those; "-o help" lists
 * the known ones), -H is tab-separated without a header (tabs, newlines and
 * backslashes escaped as \t \n \\, "-" where absent), -p exact numbers.  A
 * table goes through libsmartcols, text made safe for the terminal.
 */
#ifndef VM_RECORD_OUTPUT_H
#define VM_RECORD_OUTPUT_H

#include "lib/base/cli.h"
#include "lib/record/record.h"

struct vm_output_field {
	const char *path;  /* "image.alias" */
	const char *title; /* "IMAGE"; NULL: derived from the path */
	bool size;	   /* bytes: shown as 1.5G unless -p */
	const char *help;
};

struct vm_output {
	const struct vm_output_field *known; /* ends with all-zero */
	const char *fields; /* default for a table: "name,state,..." */
	bool table_always;  /* vmls, vmdoctor: JSON only with --json */
	bool makes_images;  /* vmfetch: its own failure is an image record */
};

/*
 * Write them all, in order, without what is of use in the store only
 * ("private", and the facts of what a VM stands on); failed records are
 * written too.
 */
int vm_output_write(const struct vm_output *output,
    const struct vm_cli_values *values, const struct vm_records *records,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * For the command to ask before it works: true when it shall end at once with
 * vm_cli_finish(), because "-o help" has been answered, or the fields are
 * wrong, which has been said and noted.
 */
bool vm_output_help(const struct vm_output *output,
    const struct vm_cli_values *values);

/*
 * What the pipe's commands do at their end: print each failure of `tool` once
 * on stderr, the record's subject in front unless the message begins with it,
 * note its kind (and 1 when failures only came in), write the records.
 */
int vm_output_finish(const struct vm_output *output,
    const struct vm_cli_values *values, const char *tool,
    const struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

/* The same without writing, for what prints something else than records. */
void vm_output_report(const char *tool, const struct vm_records *records);

/*
 * For a command that ends before any record, having got past its command line:
 * writes one failed record for the next command of the pipe (none to a
 * terminal, nor for VM_E_USAGE), prints the failure, returns main()'s status.
 */
int vm_output_fail(const struct vm_output *output,
    const struct vm_cli_values *values, const char *tool,
    const struct vm_error *failure);

/* The fields of the pipe's records, shared by its commands. */
extern const struct vm_output vm_output_pipe;

#endif
