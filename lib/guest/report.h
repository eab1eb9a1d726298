/*
 * report.h - what an appliance's child tells its parent, a line at a time:
 *
 *	{"event":"start","job":2}	begins work on its third job
 *	{"event":"done","job":2,"ms":400,"error":{...}?,"layout":{...}?,
 *	 "warnings":[...]}		has ended it
 *	{"event":"broken","error":{...}}	the appliance is of no use now
 *	{"event":"end"}			it has ended in good order
 */
#ifndef VM_GUEST_REPORT_H
#define VM_GUEST_REPORT_H

#include "lib/guest/appliance.h"

enum vm_report_event {
	VM_REPORT_START,
	VM_REPORT_DONE,
	VM_REPORT_BROKEN,
	VM_REPORT_END
};

struct vm_report {
	enum vm_report_event event;
	size_t job;
	uint64_t ms;
	struct vm_error error;	  /* all-zero: none */
	struct vm_json *layout;	  /* or NULL; owned */
	struct vm_json *warnings; /* or NULL; owned */
};

/* Write one line. */
int vm_report_send(int fd, const struct vm_report *report, struct vm_error *err)
    VM_MUST_CHECK;

/* Read one line of len bytes; VM_E_PROTOCOL "bad_report". */
int vm_report_parse(const char *line, size_t len, struct vm_report *report,
    struct vm_error *err) VM_MUST_CHECK;

void vm_report_release(struct vm_report *report);
#define VM_CLEAN_REPORT VM_CLEAN(vm_report_release)

#endif
