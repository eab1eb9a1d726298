#include "lib/store/tool.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/proc.h"

#define ARGS_MAX 32
#define OUTPUT_MAX ((size_t)1 << 30)

/* DIRECTORY-OF-OURS/program when that can be run, else program by PATH. */
static char *
find_program(const char *program, struct vm_error *err)
{
	VM_CLEAN_FREE char *beside = NULL;
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *slash;

	if (len > 0) {
		self[len] = '\0';
		slash = strrchr(self, '/');
		beside = vm_buf_printf(err, "%.*s/%s",
		    slash != NULL ? (int)(slash - self) : 0, self, program);
		if (beside == NULL)
			return NULL;
		if (access(beside, X_OK) == 0)
			return VM_TAKE(beside);
	}
	return vm_buf_printf(err, "%s", program);
}

/* A file in memory that holds the input, to be read from its beginning. */
static int
open_input(const struct vm_buf *input, struct vm_error *err)
{
	VM_CLEAN_FD int fd = memfd_create("records", MFD_CLOEXEC);

	if (fd == -1)
		return vm_error_errno(err, errno, "memory for records");
	if (vm_fd_write(fd, input->data, input->len, "records", err) == -1)
		return -1;
	if (lseek(fd, 0, SEEK_SET) == -1)
		return vm_error_errno(err, errno, "records");
	return VM_TAKE_FD(fd);
}

static int
change_directory(void *arg)
{
	return fchdir(*(const int *)arg);
}

/* The words of the command line; jobs is where -j's number is formatted. */
static void
fill_args(const struct vm_store *store, const struct vm_tool *tool,
    const char **argv, char jobs[32])
{
	size_t n = 1;

	argv[n++] = "--root";
	argv[n++] = store->root;
	if (tool->quiet)
		argv[n++] = "-q";
	for (int i = 0; i < tool->verbose && i < 2; i++)
		argv[n++] = "-v";
	if (tool->jobs > 0) {
		snprintf(jobs, 32, "%" PRIu64, tool->jobs);
		argv[n++] = "-j";
		argv[n++] = jobs;
	}
	for (size_t i = 0;
	     tool->args != NULL && tool->args[i] != NULL && n < ARGS_MAX - 1;
	     i++)
		argv[n++] = tool->args[i];
	argv[n] = NULL;
}

static int
add_lines(const char *program, const struct vm_buf *text,
    struct vm_records *out, size_t *count, struct vm_error *err)
{
	const char *line = text->data, *end = text->data + text->len;
	const char *newline;
	struct vm_json *record;

	for (; line != NULL && line < end; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (newline == NULL)
			newline = end;
		record = vm_json_parse(line, (size_t)(newline - line), err);
		if (record == NULL || vm_record_check(record, err) == -1) {
			vm_json_free(record);
			return vm_error_set(err, VM_E_PROTOCOL, "bad_output",
			    "%s: what it wrote is no record", program);
		}
		(*count)++;
		if (out == NULL)
			vm_json_free(record);
		else if (vm_records_add(out, record, err) == -1)
			return -1;
	}
	return 0;
}

/* It ended without a word to us; what it had to say stands on stderr. */
static int
fail_tool(const char *program, int status, struct vm_error *err)
{
	enum vm_kind kind = VM_E_UNAVAILABLE;

	if (status > 128)
		return vm_error_set(err, VM_E_UNAVAILABLE, "step_failed",
		    "%s was ended by signal %d", program, status - 128);
	if (status >= VM_E_USAGE && status <= VM_E_CONFIG)
		kind = (enum vm_kind)status;
	return vm_error_set(err, kind, "step_failed",
	    "%s ended with status %d and no record", program, status);
}

int
vm_tool_run(struct vm_store *store, const struct vm_tool *tool,
    struct vm_records *out, struct vm_error *err)
{
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	VM_CLEAN_FREE char *program = find_program(tool->program, err);
	VM_CLEAN_FD int input = -1, directory = -1;
	const char *argv[ARGS_MAX] = { program };
	struct vm_proc_options run = { .argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = 2,
		.timeout_ms = tool->timeout_ms,
		.output_max = OUTPUT_MAX };
	char jobs[32];
	size_t count = 0;

	if (program == NULL)
		return -1;
	fill_args(store, tool, argv, jobs);
	if (tool->input != NULL) {
		input = open_input(tool->input, err);
		if (input == -1)
			return -1;
		run.stdin_fd = input;
	}
	if (tool->directory != NULL) {
		directory = open(tool->directory,
		    O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (directory == -1)
			return vm_error_errno(err, errno, "%s",
			    tool->directory);
		run.prepare = change_directory;
		run.prepare_arg = &directory;
	}
	if (vm_proc_run(&run, &result, err) == -1 ||
	    add_lines(tool->program, &result.out, out, &count, err) == -1)
		return -1;
	if (result.status != 0 && count == 0)
		return fail_tool(tool->program, result.status, err);
	return 0;
}

struct vm_json *
vm_tool_run_one(struct vm_store *store, const struct vm_tool *tool,
    const char *name, struct vm_error *err)
{
	VM_CLEAN_RECORDS struct vm_records out = { 0 };
	const char *args[ARGS_MAX] = { NULL };
	struct vm_tool one = *tool;
	size_t n = 0;

	while (tool->args != NULL && tool->args[n] != NULL && n < ARGS_MAX / 2)
		args[n] = tool->args[n], n++;
	args[n++] = "--";
	args[n++] = name;
	one.args = args;
	if (vm_tool_run(store, &one, &out, err) == -1)
		return NULL;
	if (out.count != 1) {
		vm_error_set(err, VM_E_PROTOCOL, "bad_output",
		    "%s: wrote %zu records, not one", tool->program, out.count);
		return NULL;
	}
	if (vm_record_failure(out.items[0], tool->program, err) == 1)
		return NULL;
	return VM_TAKE(out.items[0]);
}
