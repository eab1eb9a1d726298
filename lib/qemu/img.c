#include "lib/qemu/img.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/clean.h"
#include "lib/base/proc.h"
#include "lib/qemu/img_private.h"
#include "lib/qemu/sandbox.h"

#define MEMORY_BYTES ((uint64_t)2 << 30) /* address space; it uses 60 M */
#define TIMEOUT_MS ((uint64_t)300000)
#define VERSION_MS ((uint64_t)10000)
#define SLOWEST_BYTES_PER_MS 10000 /* 10 MB/s */

/* The last line it wrote, without its own name in front. */
static const char *
last_words(struct vm_proc_result *result)
{
	static const char prefix[] = "qemu-img: ";
	char *text = result->err.data, *line;

	if (text == NULL)
		return "no message";
	while (result->err.len > 0 && text[result->err.len - 1] == '\n')
		text[--result->err.len] = '\0';
	line = strrchr(text, '\n');
	line = line == NULL ? text : line + 1;
	if (strncmp(line, prefix, sizeof(prefix) - 1) == 0)
		line += sizeof(prefix) - 1;
	return line[0] == '\0' ? "no message" : line;
}

static int
judge(struct vm_proc_result *result, struct vm_error *err)
{
	static const char unreadable[] = "error while reading";
	static const char unwritable[] = "error while writing";
	const char *words;

	if (result->status == 0)
		return 0;
	words = last_words(result);
	if (strstr(words, strerror(ENOSPC)) != NULL)
		return vm_error_set(err, VM_E_IO, "no_space", "qemu-img: %s",
		    words);
	/* QEMU's word for a write that was cut short */
	if (strncmp(words, unwritable, sizeof(unwritable) - 1) == 0 &&
	    strstr(words, strerror(EINVAL)) != NULL)
		return vm_error_set(err, VM_E_IO, "no_space",
		    "qemu-img: %.*s: no space left, or a limit on the size of "
		    "files",
		    (int)strcspn(words, ":"), words);
	if (result->status == 1 &&
	    strncmp(words, unreadable, sizeof(unreadable) - 1) == 0 &&
	    strstr(words, strerror(EINVAL)) != NULL)
		return vm_error_set(err, VM_E_DATA, "bad_data", "qemu-img: %s",
		    words);
	if (result->status > 128)
		return vm_error_set(err, VM_E_BUG, "qemu_img",
		    "qemu-img was ended by signal %d (%s)",
		    result->status - 128, words);
	return vm_error_set(err, VM_E_BUG, "qemu_img",
	    "qemu-img ended with status %d: %s", result->status, words);
}

static int
explain_missing(struct vm_error *err)
{
	if (err != NULL && strcmp(err->code, "no_program") == 0)
		return vm_error_hint(err, "apt install qemu-utils");
	return -1;
}

int
vm_img_run(const char *const *argv, const struct vm_img_limits *limits,
    struct vm_error *err)
{
	struct vm_sandbox sandbox VM_CLEAN_SANDBOX = { .ruleset_fd = -1 };
	struct vm_proc_result result VM_CLEAN_PROC = { 0 };
	struct vm_proc_options options = {
		.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = limits->out_fd > 0 ? limits->out_fd : -1,
		.stderr_fd = -1,
		.keep_fds = &limits->to_fd,
		.keep_count = limits->to_fd > 0 ? 1 : 0,
		.timeout_ms = limits->timeout_ms,
		.limit_address_bytes = MEMORY_BYTES,
		.limit_cpu_s = limits->timeout_ms == 0 ?
		    0 :
		    limits->timeout_ms / 1000 + 1,
		.limit_file_bytes = limits->file_bytes,
		.detach = limits->finishes,
		.prepare = vm_sandbox_enter,
		.prepare_arg = &sandbox,
	};

	if (vm_sandbox_open(&sandbox, argv[0], limits->dir_fd, limits->from,
		limits->to, err) == -1)
		return -1;
	if (vm_proc_run(&options, &result, err) == -1)
		return explain_missing(err);
	return judge(&result, err);
}

int
vm_img_convert_raw(const struct vm_img_convert *convert, struct vm_error *err)
{
	char *input VM_CLEAN_FREE = vm_buf_printf(err,
	    "driver=%s,file.driver=file,file.filename=%s", convert->driver,
	    convert->from);
	const char *const argv[] = { "qemu-img", "convert", "-n",
		"--target-is-zero", "-S", "64k", "-O", "raw", "--image-opts",
		input, convert->to, NULL };
	struct vm_img_limits limits = { .dir_fd = convert->dir_fd,
		.from = convert->from,
		.to = convert->to,
		.timeout_ms = convert->timeout_ms,
		.file_bytes = convert->virtual_size };

	if (input == NULL)
		return -1;
	if (limits.timeout_ms == 0)
		limits.timeout_ms = TIMEOUT_MS +
		    convert->virtual_size / SLOWEST_BYTES_PER_MS;
	return vm_img_run(argv, &limits, err);
}

int
vm_img_snapshot(int dir_fd, const char *file, enum vm_img_snapshot what,
    const char *tag, int lock_fd, struct vm_error *err)
{
	static const char *const words[] = {
		[VM_IMG_SNAPSHOT_MAKE] = "-c",
		[VM_IMG_SNAPSHOT_APPLY] = "-a",
		[VM_IMG_SNAPSHOT_DELETE] = "-d",
	};
	char *image VM_CLEAN_FREE = vm_buf_printf(err,
	    "json:{\"driver\":\"qcow2\",\"backing\":null,\"file\":{"
	    "\"driver\":\"file\",\"filename\":\"%s\"}}",
	    file);
	const char *const argv[] = { "qemu-img", "snapshot", words[what], tag,
		image, NULL };
	const struct vm_img_limits limits = { .dir_fd = dir_fd,
		.from = file,
		.to = file,
		.to_fd = lock_fd > 0 ? lock_fd : 0,
		.timeout_ms = lock_fd > 0 ? 0 : TIMEOUT_MS,
		.finishes = lock_fd > 0 };

	return image == NULL ? -1 : vm_img_run(argv, &limits, err);
}

/* ---- what it knows ---- */

int
vm_img_check_extended_l2(struct vm_error *err)
{
	static const char *const argv[] = { "qemu-img", "--version", NULL };
	const struct vm_proc_options options = {
		.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.timeout_ms = VERSION_MS,
	};
	struct vm_proc_result result VM_CLEAN_PROC = { 0 };
	unsigned major, minor;

	if (vm_proc_run_ok(&options, &result, err) == -1)
		return explain_missing(err);
	if (result.out.data == NULL ||
	    sscanf(result.out.data, "qemu-img version %3u.%3u", &major,
		&minor) != 2)
		return vm_error_set(err, VM_E_PROTOCOL, "no_version",
		    "qemu-img --version: says no version");
	if (major > 5 || (major == 5 && minor >= 2))
		return 0;
	return vm_error_set(err, VM_E_UNAVAILABLE, "no_extended_l2",
	    "extended L2 entries need QEMU 5.2 or newer, this is %u.%u", major,
	    minor);
}
