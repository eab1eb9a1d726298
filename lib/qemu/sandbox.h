/*
 * sandbox.h - rights taken away from a program before it starts.
 *
 * Made in the parent, where it may allocate, and entered in the child between
 * fork and exec with system calls only.  What cannot be had on this kernel is
 * left out: see img.h for what stays.
 *
 * Sources: Documentation/userspace-api/landlock.rst, seccomp(2).
 */
#ifndef VM_QEMU_SANDBOX_H
#define VM_QEMU_SANDBOX_H

#include "lib/base/clean.h"
#include "lib/base/error.h"

struct vm_sandbox {
	int ruleset_fd; /* -1: no Landlock here */
	int dir_fd;	/* the child's working directory; borrowed */
};

/*
 * The program (by PATH) and the programs and libraries of the system may be
 * read and run, dir_fd/read_name ("." for all of it) read, dir_fd/write_name
 * written; nothing else of the file system is there.
 */
int vm_sandbox_open(struct vm_sandbox *sandbox, const char *program, int dir_fd,
    const char *read_name, const char *write_name, struct vm_error *err)
    VM_MUST_CHECK;
void vm_sandbox_close(struct vm_sandbox *sandbox);
#define VM_CLEAN_SANDBOX VM_CLEAN(vm_sandbox_close)

/* vm_proc_options.prepare: go in (async-signal-safe; arg: the sandbox). */
int vm_sandbox_enter(void *sandbox);

#endif
