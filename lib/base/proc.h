/*
 * proc.h - running other programs, and being told to stop.
 *
 * A program is always an argument vector, never a shell line.  A child gets
 * descriptors 0, 1 and 2 as asked and no others, default signal dispositions,
 * and dies with us (parent-death signal) unless `detach`.  A parent-death
 * signal fires when the *thread* that spawned the child ends, so children are
 * spawned from threads that wait for them.
 */
#ifndef VM_BASE_PROC_H
#define VM_BASE_PROC_H

#include <sys/types.h>

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"

struct vm_proc_options {
	const char *const *argv; /* NULL-terminated; argv[0] by PATH */
	const char *const *env;	 /* "NAME=value" added; may be NULL */
	int stdin_fd;		 /* -1: /dev/null */
	int stdout_fd;		 /* -1: captured (run) or /dev/null */
	int stderr_fd;		 /* -1: captured (run) or /dev/null */
	const int *keep_fds;	 /* passed on as they are, or NULL */
	size_t keep_count;
	uint64_t timeout_ms;	      /* 0: none */
	size_t output_max;	      /* cap for captured stdout; 0: 1 MiB */
	uint64_t limit_address_bytes; /* RLIMIT_AS; 0: none */
	uint64_t limit_cpu_s;	      /* RLIMIT_CPU; 0: none */
	uint64_t limit_file_bytes;    /* RLIMIT_FSIZE; 0: none */
	/* runs in the child just before exec, async-signal-safe; -1 stops it */
	int (*prepare)(void *arg);
	void *prepare_arg;
	bool detach; /* a session of its own, outlives us; run: no stop
			signal ends it */
};

struct vm_proc_result {
	struct vm_buf out; /* captured stdout */
	struct vm_buf err; /* the last 64 KiB of stderr */
	int status;	   /* exit status; 128 + n for signal n */
	bool timed_out;
};

/*
 * Run it to its end.  0 when it ran, whatever its exit status; -1 with
 * VM_E_UNAVAILABLE "no_program" (not found; hint: the package is the caller's
 * to name), VM_E_SYSTEM, VM_E_TRY_AGAIN "timeout" (killed, reaped) or
 * VM_E_INTERRUPTED.  `result` must be all-zero and is the caller's to release.
 */
int vm_proc_run(const struct vm_proc_options *options,
    struct vm_proc_result *result, struct vm_error *err) VM_MUST_CHECK;
void vm_proc_release(struct vm_proc_result *result);
#define VM_CLEAN_PROC VM_CLEAN(vm_proc_release)

/* Like vm_proc_run, but anything but exit status 0 is VM_E_UNAVAILABLE
 * "program_failed" with the last line of its stderr. */
int vm_proc_run_ok(const struct vm_proc_options *options,
    struct vm_proc_result *result, struct vm_error *err) VM_MUST_CHECK;

/* Start it and do not wait: pid in *pid, pidfd returned (the caller closes). */
int vm_proc_start(const struct vm_proc_options *options, pid_t *pid,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Become it, in this process: descriptors 0 to 2 stay, signals are as in a new
 * one.  Returns only on failure; errors as vm_proc_run().
 */
int vm_proc_become(const char *const *argv, struct vm_error *err);

/* Is the program in PATH? */
bool vm_proc_has_program(const char *name);

/*
 * Install handlers for SIGINT, SIGTERM and SIGHUP that only note the signal
 * and interrupt system calls, ignore SIGPIPE and SIGXFSZ (a closed pipe and a
 * file size limit are errors of write(2) then).
 */
void vm_proc_catch_signals(void);

/* The signal that asked us to stop, or 0. */
int vm_proc_stopped(void);

/* VM_E_INTERRUPTED when a signal came, else 0: call it in long loops. */
int vm_proc_check_stop(struct vm_error *err) VM_MUST_CHECK;

#endif
