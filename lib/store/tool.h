/*
 * tool.h - one command of ours, run as a child: records in, records out.
 *
 * No duty room knows another one's work, so what belongs to another is done by
 * its command.  The one beside our own program is taken, else the one in PATH;
 * it gets our store.  What it says on stderr goes straight to ours, so that a
 * failure is printed once, by the command that met it.
 */
#ifndef VM_STORE_TOOL_H
#define VM_STORE_TOOL_H

#include "lib/base/buf.h"
#include "lib/record/record.h"
#include "lib/store/store.h"

/* All-zero but for the program: no words, no input, no time limit. */
struct vm_tool {
	const char *program;	 /* "vmclone" */
	const char *const *args; /* further words, NULL-terminated, or NULL */
	const char *directory;	 /* to work in; NULL: where we are */
	uint64_t jobs;		 /* -j; 0: none */
	uint64_t timeout_ms;	 /* 0: none */
	int verbose;		 /* -v, so often (at most twice) */
	bool quiet;		 /* -q */
	const struct vm_buf *input; /* NULL: /dev/null */
};

/*
 * Run it; its records are added to *out (NULL: thrown away).  An exit status
 * other than 0 is no error as long as records came out (they say what failed);
 * without any: VM_E_* of that status, "step_failed".  VM_E_PROTOCOL when what
 * came out is no record.
 */
int vm_tool_run(struct vm_store *store, const struct vm_tool *tool,
    struct vm_records *out, struct vm_error *err) VM_MUST_CHECK;

/*
 * The same for one VM, `name` as the only operand: its record, the caller's, or
 * NULL, also when the record says that this program failed.
 */
struct vm_json *vm_tool_run_one(struct vm_store *store,
    const struct vm_tool *tool, const char *name, struct vm_error *err)
    VM_MUST_CHECK;

#endif
