#include "lib/qemu/img_flatten.h"

#include <sys/statvfs.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clean.h"
#include "lib/base/progress.h"
#include "lib/qemu/img_private.h"

#define ROOM ((uint64_t)1 << 20) /* less than this is a full disk */

/* "driver=qcow2,file.driver=file,file.filename=A,backing.driver=raw,..." */
static int
format_chain(const struct vm_chain *chain, struct vm_buf *out,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf at = { 0 };

	for (size_t i = 0; i < chain->count; i++) {
		const struct vm_chain_file *file = &chain->files[i];
		const char *prefix = i == 0 ? "" : at.data;

		if (vm_buf_format(out, err,
			"%s%sdriver=%s,%sfile.driver=file,%sfile.filename=%s",
			i == 0 ? "" : ",", prefix,
			file->is_raw ? "raw" : "qcow2", prefix, prefix,
			file->name) == -1 ||
		    vm_buf_add_string(&at, "backing.", err) == -1)
			return -1;
	}
	return 0;
}

/* What qemu-img says about how far it is, and how much that would be. */
struct follow {
	int fd;
	uint64_t size;
};

/* "    (12.34/100%)\r" and so on, until the pipe's other end is closed. */
static void *
follow_progress(void *arg)
{
	const struct follow *follow = arg;
	char text[64];
	size_t len = 0;
	ssize_t n;

	while ((n = read(follow->fd, text + len, sizeof(text) - 1 - len)) > 0) {
		const char *open;

		len += (size_t)n;
		text[len] = '\0';
		open = strrchr(text, '(');
		if (open != NULL && strchr(open, ')') != NULL)
			vm_progress_update((uint64_t)(strtod(open + 1, NULL) /
			    100 * (double)follow->size));
		if (open == NULL || strchr(open, ')') != NULL ||
		    len == sizeof(text) - 1)
			len = 0;
	}
	return NULL;
}

/* Run it while a thread reads what it says on standard output. */
static int
run_followed(const char *const *argv, struct vm_img_limits *limits,
    uint64_t size, struct vm_error *err)
{
	struct follow follow = { .size = size };
	pthread_t thread;
	int fds[2], result;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return vm_error_errno(err, errno, "pipe");
	follow.fd = fds[0];
	result = pthread_create(&thread, NULL, follow_progress, &follow);
	if (result == 0) {
		limits->out_fd = fds[1];
		result = vm_img_run(argv, limits, err);
		close(VM_TAKE_FD(fds[1]));
		pthread_join(thread, NULL);
	} else {
		result = vm_error_errno(err, result, "a thread");
	}
	vm_clean_fd(&fds[0]);
	vm_clean_fd(&fds[1]);
	return result;
}

/* A little more than the worst that each format makes of random data. */
static uint64_t
max_size(uint64_t virtual_size)
{
	return virtual_size + virtual_size / 64 + ((uint64_t)16 << 20);
}

/* QEMU's writer of VMDK crashes where there is no room (7.2). */
static int
judge_room(int fd, struct vm_error *err)
{
	struct statvfs st;

	if (err->kind != VM_E_BUG || fstatvfs(fd, &st) == -1 ||
	    st.f_bavail * st.f_frsize >= ROOM)
		return -1;
	err->kind = VM_E_IO;
	snprintf(err->code, sizeof(err->code), "no_space");
	return vm_error_wrap(err, "%s", strerror(ENOSPC));
}

int
vm_img_flatten(const struct vm_img_flatten *flatten, struct vm_error *err)
{
	const struct vm_chain *chain = flatten->chain;
	bool is_vmdk = strcmp(flatten->format, "vmdk") == 0;
	VM_CLEAN_BUF struct vm_buf input = { 0 };
	struct vm_img_limits limits = { .dir_fd = chain->dir_fd,
		.from = ".",
		.to = flatten->name,
		.to_fd = flatten->to,
		.file_bytes = max_size(chain->virtual_size) };
	const char *argv[16] = { "qemu-img", "convert", "-p", "--image-opts",
		"-O", flatten->format };
	size_t n = 6;
	char target[64];

	if (format_chain(chain, &input, err) == -1)
		return -1;
	if (flatten->compress && !is_vmdk)
		argv[n++] = "-c";
	if (is_vmdk) {
		argv[n++] = "-o";
		argv[n++] = "subformat=streamOptimized";
	}
	argv[n++] = input.data;
	argv[n] = flatten->name;
	snprintf(target, sizeof(target), "/proc/self/fd/%d", flatten->to);
	if (symlinkat(target, chain->dir_fd, flatten->name) == -1)
		return vm_error_errno(err, errno, "%s", flatten->name);
	vm_progress_start(flatten->name, chain->virtual_size,
	    VM_PROGRESS_BYTES);
	int result = run_followed(argv, &limits, chain->virtual_size, err);
	vm_progress_end();
	return result == 0 ? 0 : judge_room(flatten->to, err);
}
