#include "lib/guest/report.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/fd.h"

static const char *const events[] = {
	[VM_REPORT_START] = "start",
	[VM_REPORT_DONE] = "done",
	[VM_REPORT_BROKEN] = "broken",
	[VM_REPORT_END] = "end",
};

static int
add_error(struct vm_json *json, const struct vm_error *error,
    struct vm_error *err)
{
	if (!vm_error_is_set(error))
		return 0;
	if (vm_json_set_int(json, "error.kind", error->kind, err) == -1 ||
	    vm_json_set_string(json, "error.code", error->code, err) == -1 ||
	    vm_json_set_string(json, "error.hint", error->hint, err) == -1)
		return -1;
	/* what a guest says need not be UTF-8 */
	if (vm_json_set_string(json, "error.message", error->message, NULL) ==
	    0)
		return 0;
	return vm_json_set_string(json, "error.message",
	    "failed, with a message that is not text", err);
}

int
vm_report_send(int fd, const struct vm_report *report, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = vm_json_new_object();
	VM_CLEAN_BUF struct vm_buf line = { 0 };

	if (vm_json_set_string(json, "event", events[report->event], err) ==
		-1 ||
	    vm_json_set_int(json, "job", (int64_t)report->job, err) == -1 ||
	    vm_json_set_int(json, "ms", (int64_t)report->ms, err) == -1 ||
	    add_error(json, &report->error, err) == -1)
		return -1;
	if (report->layout != NULL &&
	    vm_json_set(json, "layout", vm_json_copy(report->layout), err) ==
		-1)
		return -1;
	if (report->warnings != NULL &&
	    vm_json_set(json, "warnings", vm_json_copy(report->warnings),
		err) == -1)
		return -1;
	if (vm_json_format(json, false, &line, err) == -1 ||
	    vm_buf_add(&line, "\n", 1, err) == -1)
		return -1;
	return vm_fd_write(fd, line.data, line.len, "report", err);
}

static int
find_event(const char *name, enum vm_report_event *event)
{
	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		if (strcmp(events[i], name) == 0) {
			*event = (enum vm_report_event)i;
			return 0;
		}
	return -1;
}

int
vm_report_parse(const char *line, size_t len, struct vm_report *report,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = vm_json_parse(line, len, err);
	const struct vm_json *error, *layout, *warnings;

	if (json == NULL)
		return -1;
	memset(report, 0, sizeof *report);
	if (find_event(vm_json_string(json, "event", ""), &report->event) == -1)
		return vm_error_set(err, VM_E_PROTOCOL, "bad_report",
		    "an appliance's report is not understood");
	report->job = (size_t)vm_json_int(json, "job", 0);
	report->ms = (uint64_t)vm_json_int(json, "ms", 0);
	error = vm_json_get(json, "error");
	if (error != NULL) {
		vm_error_set(&report->error,
		    (enum vm_kind)vm_json_int(error, "kind", VM_E_BUG),
		    vm_json_string(error, "code", "failed"), "%s",
		    vm_json_string(error, "message", "failed"));
		vm_error_hint(&report->error, "%s",
		    vm_json_string(error, "hint", ""));
	}
	layout = vm_json_get(json, "layout");
	warnings = vm_json_get(json, "warnings");
	report->layout = layout == NULL ? NULL : vm_json_copy(layout);
	report->warnings = warnings == NULL ? NULL : vm_json_copy(warnings);
	return 0;
}

void
vm_report_release(struct vm_report *report)
{
	vm_json_free(report->layout);
	vm_json_free(report->warnings);
	report->layout = report->warnings = NULL;
}
