/*
 * step.h - one command of the pipe, run as a child: records in, records out.
 *
 * As tool.h says; it works in the manifest's directory, from which relative
 * names are meant.
 */
#ifndef VM_SITE_STEP_H
#define VM_SITE_STEP_H

#include "lib/site/site.h"

struct vm_step {
	const char *program;	 /* "vmclone" */
	const char *const *args; /* further ones, NULL-terminated, or NULL */
	const char *directory;	 /* to work in; NULL: where we are */
	bool parallel;		 /* takes -j */
	const struct vm_buf *input;
};

/*
 * Run it; its records are added to *out (NULL: thrown away).  An exit status
 * other than 0 is no error as long as records came out (they say what failed);
 * without any: VM_E_* of that status, "step_failed".  VM_E_PROTOCOL when what
 * came out is no record.
 */
int vm_step_run(struct vm_store *store, const struct vm_step *step,
    const struct vm_site_options *options, struct vm_records *out,
    struct vm_error *err) VM_MUST_CHECK;

/* Records as lines. */
int vm_step_format(const struct vm_records *records, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

#endif
