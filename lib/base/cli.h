/*
 * cli.h - option tables: one table per command is the parser, --help, the
 * completions and what the lint checks the manual page against.
 *
 * Every command gets the common options as well (-h/--help, --version, -q, -v,
 * --root DIR and, by flags, -n, -j N, -r, -o FIELDS, -H, -p, --json).  Long
 * options may be abbreviated and take "=value" as in getopt_long(3); options
 * and operands may be mixed; "--" ends the options.
 */
#ifndef VM_BASE_CLI_H
#define VM_BASE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

enum vm_cli_type {
	VM_CLI_FLAG,	 /* bool: set to true */
	VM_CLI_COUNT,	 /* int: one more each time */
	VM_CLI_STRING,	 /* const char *: the last one */
	VM_CLI_LIST,	 /* struct vm_cli_list: all, in order (below) */
	VM_CLI_NUMBER,	 /* uint64_t, min..max of the option */
	VM_CLI_SIZE,	 /* uint64_t bytes, size.h */
	VM_CLI_DURATION, /* uint64_t milliseconds, size.h */
	VM_CLI_CALL	 /* call(option, value, opts, err) */
};

/* Strings and array stay valid until the process ends. */
struct vm_cli_list {
	char **items;
	size_t count;
};

struct vm_cli_option {
	char letter;	  /* 0: none */
	const char *name; /* without the dashes; NULL: none */
	const char *arg;  /* "FILE"; NULL: takes no value; "[=HOW]": may be
			     left out (then a string is ""), never apart */
	const char *help; /* one line, lower case, no full stop */
	enum vm_cli_type type;
	size_t offset;	   /* of the variable in the command's struct */
	uint64_t min, max; /* VM_CLI_NUMBER; max 0: no limit */
	int (*call)(const struct vm_cli_option *option, const char *value,
	    void *opts, struct vm_error *err);
};

/* What else the command takes, beyond -h --version -q -v --root. */
enum vm_cli_common {
	VM_CLI_DRY_RUN = 1 << 0,  /* -n, --dry-run */
	VM_CLI_JOBS = 1 << 1,	  /* -j N, --jobs N */
	VM_CLI_EMPTY_OK = 1 << 2, /* -r, --allow-empty */
	VM_CLI_OUTPUT = 1 << 3,	  /* -o FIELDS, -H, -p */
	VM_CLI_JSON = 1 << 4,	  /* --json (tables by default) */
	VM_CLI_COMMAND = 1 << 5	  /* the first operand ends the options */
};

/* The values of the common options; a command's struct begins with it. */
struct vm_cli_values {
	const char *root;   /* --root or $VMPIPE_ROOT or NULL */
	const char *fields; /* -o, or NULL */
	uint64_t jobs;	    /* -j; 0: one per core */
	bool dry_run, allow_empty, no_header, exact, json, quiet;
	int verbose;
	char **operands; /* borrowed from argv */
	size_t operand_count;
};

struct vm_cli {
	const char *name;		     /* "vmclone" */
	const char *synopsis;		     /* operands: "[NAME ...]" */
	const char *summary;		     /* one line, as in the manual */
	const struct vm_cli_option *options; /* ends with an all-zero one */
	unsigned common;		     /* enum vm_cli_common */
};

/*
 * First call of every main(): standard descriptors checked, umask 027 at
 * least, locale, signals, log.  Ends the process itself on a hopeless start.
 */
void vm_cli_start(const struct vm_cli *cli);

/*
 * Parse into *opts, a struct that begins with struct vm_cli_values and is all
 * zero or preset with defaults.  --help, --version and the hidden
 * --dump-options ("-x<TAB>--name<TAB>ARG<TAB>help" a line, what is missing
 * empty) print and exit 0.  VM_E_USAGE "usage", naming the nearest option when
 * one is unknown, with --help as the hint.
 *
 * An option of type VM_CLI_CALL is handed to its function in its place among
 * the others, with the command's struct.
 */
int vm_cli_parse(const struct vm_cli *cli, void *opts, int argc, char *argv[],
    struct vm_error *err) VM_MUST_CHECK;

/* Print the failure, flush, return the exit status for main(). */
int vm_cli_fail(const struct vm_error *err);

/* VM_E_USAGE "usage" with --help as the hint, for checks of a command's own. */
int vm_cli_usage(const struct vm_cli *cli, struct vm_error *err,
    const char *format, ...) VM_PRINTF(3, 4);

/*
 * Flush and close stdout (a full disk or closed pipe there is VM_E_IO), then
 * give main() the status noted by vm_cli_note(); a stop signal: 128 + it.
 */
int vm_cli_finish(void);

/* Note one item's failure.  Kinds that differ, or 1 noted, end as 1. */
void vm_cli_note(enum vm_kind kind);

#endif
